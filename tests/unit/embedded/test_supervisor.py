import itertools
from pathlib import Path

from app.embedded.child import Child, Command
from app.embedded.data_dir import EmbeddedError
from app.embedded.supervisor import Supervisor


class Sleeper:
    """A part that sleeps. Its start number `failing` fails."""

    def __init__(self, name: str, run_dir: Path, stopped: list[str], failing: int = 0) -> None:
        self._name = name
        self._run_dir = run_dir
        self._stopped = stopped
        self._failing = failing
        self._starts = itertools.count(1)
        self.child: Child | None = None

    def start(self) -> None:
        if next(self._starts) == self._failing:
            raise EmbeddedError("The sleeper did not start.")
        self.child = Child(Command(self._name, ["/bin/sleep", "60"]), self._run_dir)

    def stop(self) -> None:
        self._stopped.append(self._name)
        if self.child is not None:
            self.child.stop()


def restarted(part: Sleeper, old: Child) -> bool:
    return part.child is not None and part.child is not old and part.child.running


def test_what_dies_is_started_again_and_said_in_one_line(tmp_path: Path) -> None:
    lines: list[str] = []
    supervisor, part = Supervisor(lines.append), Sleeper("redis", tmp_path, [])
    supervisor.start("Redis", part)
    old = part.child
    assert old is not None

    old.kill()
    old.process.wait()
    supervisor.watch(lambda: restarted(part, old))

    assert lines == ["Redis ended (signal 9); starting it again in 0.5 s"]
    supervisor.stop()


def test_a_restart_that_fails_is_tried_again_after_a_longer_pause(tmp_path: Path) -> None:
    lines: list[str] = []
    supervisor, part = Supervisor(lines.append), Sleeper("redis", tmp_path, [], failing=2)
    supervisor.start("Redis", part)
    old = part.child
    assert old is not None

    old.kill()
    old.process.wait()
    supervisor.watch(lambda: restarted(part, old))

    assert lines[1:] == ["The sleeper did not start. Trying again in 1 s."]
    supervisor.stop()


def test_parts_stop_in_the_opposite_order_of_their_start(tmp_path: Path) -> None:
    stopped: list[str] = []
    supervisor = Supervisor(lambda line: None)
    for name in ("postgres", "redis", "api"):
        supervisor.start(name, Sleeper(name, tmp_path, stopped))

    supervisor.stop()

    assert stopped == ["api", "redis", "postgres"]
    assert list(tmp_path.iterdir()) == []
