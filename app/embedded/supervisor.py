"""Keeps the parts of an instance running: what dies is started again, what is to stop stops in order."""

import time
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Protocol

from app.embedded.child import Child
from app.embedded.data_dir import EmbeddedError

LOOK_SECONDS = 0.2
FIRST_PAUSE_SECONDS = 0.5
LONGEST_PAUSE_SECONDS = 10.0
# A part that ran this long before it died is not one that cannot start.
STEADY_SECONDS = 30.0


class Part(Protocol):
    """A server or process of the instance. `start` may be called again after it died."""

    child: Child | None

    def start(self) -> None: ...
    def stop(self) -> None: ...


@dataclass(slots=True)
class _Watched:
    name: str
    part: Part
    pause: float = FIRST_PAUSE_SECONDS
    started: float = field(default_factory=time.monotonic)
    restart_at: float | None = None


class Supervisor:
    """Everything happens in the calling thread: Linux ends a child when the thread that started it ends."""

    def __init__(self, report: Callable[[str], None]) -> None:
        self._report = report
        self._watched: list[_Watched] = []

    def start(self, name: str, part: Part) -> None:
        """Start it and keep it running. Raises what its first start raises."""
        # Before the start: a part that fails half way is stopped with the rest.
        self._watched.append(_Watched(name, part))
        part.start()

    def watch(self, is_over: Callable[[], bool]) -> None:
        """Restart what dies, until it is over."""
        while not is_over():
            for watched in self._watched:
                self._look_after(watched)
            time.sleep(LOOK_SECONDS)

    def look_once(self) -> None:
        for watched in self._watched:
            self._look_after(watched)

    def stop(self) -> None:
        """In the opposite order of the start."""
        while self._watched:
            self._watched.pop().part.stop()

    def _look_after(self, watched: _Watched) -> None:
        now = time.monotonic()
        child = watched.part.child
        if watched.restart_at is None:
            if child is None or child.running:
                return
            if now - watched.started > STEADY_SECONDS:
                watched.pause = FIRST_PAUSE_SECONDS
            watched.restart_at = now + watched.pause
            self._report(f"{watched.name} ended ({_how(child)}); starting it again in {watched.pause:g} s")
            watched.pause = min(2 * watched.pause, LONGEST_PAUSE_SECONDS)
        elif now >= watched.restart_at:
            watched.restart_at = None
            watched.started = now
            try:
                watched.part.start()
            except EmbeddedError as error:
                watched.restart_at = now + watched.pause
                self._report(f"{error.message} Trying again in {watched.pause:g} s.")


def _how(child: Child) -> str:
    code = child.process.returncode
    return f"signal {-code}" if code < 0 else f"exit code {code}"
