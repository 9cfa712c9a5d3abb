"""A process that we started: it dies with us, and is found again when it did not."""

import contextlib
import ctypes
import json
import pwd
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil

_PR_SET_PDEATHSIG = 1
_SAME_SECONDS = 1.0


@dataclass(frozen=True, slots=True)
class Command:
    """What to start. `stop_signal` asks it to end in good order, within `stop_seconds`; `user` matters as root."""

    name: str
    argv: Sequence[str]
    env: Mapping[str, str] | None = None
    user: str | None = None
    stop_signal: signal.Signals = signal.SIGTERM
    stop_seconds: float = 10.0
    log: Path | None = None


class Child:
    """Its pid and start time stand in `<run_dir>/<name>.json` while it runs, for who comes after a SIGKILL."""

    def __init__(self, command: Command, run_dir: Path) -> None:
        self.command = command
        self._record = run_dir / f"{command.name}.json"
        log = command.log.open("ab") if command.log is not None else None
        try:
            self.process = subprocess.Popen(  # noqa: S603  our own commands
                list(command.argv),
                env=dict(command.env) if command.env is not None else None,
                **as_user(command.user),
                stdin=subprocess.DEVNULL,
                stdout=log,
                stderr=log,
                # A Ctrl-C in the terminal is for the supervisor alone, which stops its children in order.
                start_new_session=True,
                preexec_fn=_die_with_parent(command.stop_signal),  # noqa: PLW1509  no threads hold locks it needs
            )
        finally:
            if log is not None:
                log.close()
        run_dir.mkdir(parents=True, exist_ok=True)
        started = psutil.Process(self.process.pid).create_time()
        self._record.write_text(json.dumps({"pid": self.process.pid, "started": started}))

    @property
    def pid(self) -> int:
        return self.process.pid

    @property
    def running(self) -> bool:
        return self.process.poll() is None

    def kill(self, number: signal.Signals = signal.SIGKILL) -> None:
        """For fault tests: a signal to this process and nothing else."""
        self.process.send_signal(number)

    def stop(self) -> None:
        """Ask, wait, and end what does not listen, with everything it started."""
        # A pid that has ended may belong to someone else by now.
        family = _family(self.process.pid) if self.running else []
        if self.running:
            self.process.send_signal(self.command.stop_signal)
            with contextlib.suppress(subprocess.TimeoutExpired):
                self.process.wait(self.command.stop_seconds)
        _end(family)
        self.process.wait()
        self._record.unlink(missing_ok=True)


def as_user(name: str | None) -> dict[str, Any]:
    """Arguments of subprocess for another user with that user's group and no others; none for our own."""
    if name is None:
        return {}
    account = pwd.getpwnam(name)
    return {"user": account.pw_uid, "group": account.pw_gid, "extra_groups": []}


def end_leftovers(run_dir: Path) -> list[str]:
    """End what a supervisor that was killed left running: only processes whose pid and start time match."""
    ended = []
    for record in sorted(run_dir.glob("*.json")):
        with contextlib.suppress(psutil.NoSuchProcess):
            process = _recorded(record)
            if process is not None:
                family = _family(process.pid)
                # PostgreSQL's fast shutdown; the others take it for Ctrl-C.
                process.send_signal(signal.SIGINT)
                psutil.wait_procs(family, timeout=10)
                _end(family)
                ended.append(record.stem)
        record.unlink(missing_ok=True)
    return ended


def _recorded(record: Path) -> psutil.Process | None:
    """The process of a record while it lives. One torn by a SIGKILL names none."""
    try:
        known = json.loads(record.read_text())
        pid, started = int(known["pid"]), float(known["started"])
    except (ValueError, KeyError, TypeError):
        return None
    process = psutil.Process(pid)
    return process if abs(process.create_time() - started) < _SAME_SECONDS else None


def wait_until(ready: Callable[[], bool], child: Child, seconds: float) -> bool:
    """Poll until it is ready; False when it ended or took too long."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if not child.running:
            return False
        if ready():
            return True
        time.sleep(0.03)
    return False


def _family(pid: int) -> list[psutil.Process]:
    try:
        parent = psutil.Process(pid)
        return [parent, *parent.children(recursive=True)]
    except psutil.NoSuchProcess:
        return []


def _end(processes: list[psutil.Process]) -> None:
    _, alive = psutil.wait_procs(processes, timeout=0.5)
    for process in alive:
        with contextlib.suppress(psutil.NoSuchProcess):
            process.kill()
    psutil.wait_procs(alive, timeout=5)


def _die_with_parent(number: signal.Signals) -> Callable[[], None] | None:
    """Linux tells a child when its parent dies; elsewhere the next start ends what was left."""
    if sys.platform != "linux":
        return None
    libc = ctypes.CDLL(None)

    def ask() -> None:
        libc.prctl(_PR_SET_PDEATHSIG, int(number))

    return ask
