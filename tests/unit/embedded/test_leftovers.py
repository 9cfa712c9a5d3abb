"""Only what an earlier supervisor started is ended: pid and start time must both match."""

import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import psutil
import pytest

from app.embedded.child import Child, Command, end_leftovers


@pytest.fixture
def sleeper(tmp_path: Path) -> Iterator[Child]:
    child = Child(Command("redis", ["/bin/sleep", "60"]), tmp_path)
    yield child
    child.stop()


def test_a_recorded_process_is_ended_and_its_record_removed(sleeper: Child, tmp_path: Path) -> None:
    ended = end_leftovers(tmp_path)

    assert ended == ["redis"]
    assert not sleeper.running
    assert list(tmp_path.iterdir()) == []


def test_a_process_that_got_a_recorded_pid_later_is_left_alone(sleeper: Child, tmp_path: Path) -> None:
    started = psutil.Process(sleeper.pid).create_time()
    (tmp_path / "redis.json").write_text(json.dumps({"pid": sleeper.pid, "started": started - 60}))

    ended = end_leftovers(tmp_path)

    assert ended == []
    assert sleeper.running
    assert list(tmp_path.iterdir()) == []


def test_the_record_of_an_ended_process_is_removed(tmp_path: Path) -> None:
    gone = subprocess.Popen(["/bin/true"])
    gone.wait()
    (tmp_path / "api.json").write_text(json.dumps({"pid": gone.pid, "started": 0.0}))

    assert end_leftovers(tmp_path) == []
    assert list(tmp_path.iterdir()) == []


def test_a_child_that_stopped_leaves_no_record(sleeper: Child, tmp_path: Path) -> None:
    assert [path.name for path in tmp_path.iterdir()] == ["redis.json"]

    sleeper.stop()

    assert not sleeper.running
    assert list(tmp_path.iterdir()) == []
