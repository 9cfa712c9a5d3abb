"""One process of an installation under test: signals go to it alone, and it ends when we do."""

import asyncio
import signal
import sys
import time
from collections.abc import Mapping, Sequence
from pathlib import Path

from app.embedded.child import Child, Command
from app.embedded.port import LOOPBACK

POLL_SECONDS = 0.02
_SHOWN_LINES = 20


class ClusterError(Exception):
    """A process or server did not do what it should in time. The message ends with its last log lines."""


class Process:
    """`python -m app.cli ARGUMENTS` with this environment; standard output and error go to `log_path`."""

    def __init__(self, name: str, arguments: Sequence[str], environment: Mapping[str, str], folder: Path) -> None:
        self.name = name
        self.log_path = folder / "logs" / f"{name}.log"
        self.started_at = time.monotonic()
        # SIGKILL is also what the kernel sends when we die: a frozen process would not take anything else.
        argv = [sys.executable, "-m", "app.cli", *arguments]
        self._child = Child(
            Command(name, argv, env=environment, stop_signal=signal.SIGKILL, log=self.log_path), folder / "run"
        )

    @property
    def pid(self) -> int:
        return self._child.pid

    @property
    def alive(self) -> bool:
        """Also of a frozen one."""
        return self._child.running

    def kill(self) -> None:
        """SIGKILL, as by the kernel that runs out of memory."""
        self._child.kill(signal.SIGKILL)

    def stop(self) -> None:
        """SIGTERM, without waiting: it drains."""
        self._child.kill(signal.SIGTERM)

    def freeze(self) -> None:
        """SIGSTOP: it keeps its connections and its leases, and does nothing."""
        self._child.kill(signal.SIGSTOP)

    def thaw(self) -> None:
        self._child.kill(signal.SIGCONT)

    async def wait(self, seconds: float) -> int:
        """Its exit code; negative is the signal that ended it. Raises ClusterError when it runs on."""
        deadline = time.monotonic() + seconds
        while self.alive:
            if time.monotonic() > deadline:
                raise ClusterError(f"{self.name} (pid {self.pid}) did not end in {seconds:g} s.\n{self.last_lines()}")
            await asyncio.sleep(POLL_SECONDS)
        return int(self._child.process.returncode)

    def end(self) -> None:
        """End it now, with all that it started. Blocks for a moment."""
        self._child.stop()

    def log(self) -> str:
        return self.log_path.read_text(errors="replace")

    def last_lines(self) -> str:
        return "\n".join(self.log().splitlines()[-_SHOWN_LINES:])


class ApiProcess(Process):
    """`bizq api` on a port of ours."""

    def __init__(self, name: str, environment: Mapping[str, str], folder: Path, port: int) -> None:
        self.port = port
        self.url = f"http://{LOOPBACK}:{port}"
        super().__init__(name, ["api"], {**environment, "BIZQ_PORT": str(port)}, folder)
