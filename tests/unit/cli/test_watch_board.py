from typing import Any

from app.cli.watch import MOST_TASKS, Board
from tests.unit.cli.test_view import TASK


def task(number: int, version: int = 1, status: str = "QUEUED") -> dict[str, Any]:
    return {**TASK, "id": f"task_{number:026}", "version": version, "status": status}


def test_an_older_state_does_not_replace_a_newer_one() -> None:
    board = Board()

    board.put(task(1, version=3, status="SUCCEEDED"))
    board.put(task(1, version=2, status="RUNNING"))

    assert [item["status"] for item in board.tasks.values()] == ["SUCCEEDED"]


def test_the_oldest_tasks_leave_the_board() -> None:
    board = Board()

    for number in range(MOST_TASKS + 2):
        board.put(task(number))

    assert len(board.tasks) == MOST_TASKS
    assert min(board.tasks) == task(2)["id"]
