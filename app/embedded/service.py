"""A process of the service itself, `bizq api` or `bizq worker`, as a part of the instance."""

import sys
from collections.abc import Mapping
from pathlib import Path

from app.embedded.child import Child, Command

# Both drain: what runs is finished or handed back.
STOP_SECONDS = 35.0


class ServiceProcess:
    """Runs `python -m app.cli ROLE`; its log is `<data dir>/logs/ROLE.log`."""

    def __init__(self, role: str, environment: Mapping[str, str], run_dir: Path) -> None:
        self._run_dir = run_dir
        self._command = Command(
            role,
            [sys.executable, "-m", "app.cli", role],
            env=environment,
            stop_seconds=STOP_SECONDS,
            log=run_dir.parent / "logs" / f"{role}.log",
        )
        self.child: Child | None = None

    def start(self) -> None:
        self.child = Child(self._command, self._run_dir)

    def stop(self) -> None:
        if self.child is not None:
            self.child.stop()
