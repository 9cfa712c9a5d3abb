from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app.models import TaskEventKind as Kind
from app.models import TaskStatus as Status
from app.services.task.log import LoggedEvent, Position, as_of

BEGAN = datetime(2026, 6, 1, tzinfo=UTC)
TASK, WORKSPACE = UUID(int=1), UUID(int=2)
DONE: dict[str, Any] = {
    "id": TASK,
    "type": "email.reply",
    "status": Status.SUCCEEDED,
    "attempt": 2,
    "version": 6,
    "event_seq": 6,
    "error": None,
    "output": {"text": "done"},
    "progress": 1.0,
    "started_at": BEGAN,
    "finished_at": BEGAN + timedelta(seconds=9),
    "run_at": None,
    "cancel_requested_at": None,
    "cost_micros": 30,
    "reserved_micros": 0,
    "routing": {"ceilingMicros": 50},
}
ERROR = {"code": "overloaded", "message": "…", "retryable": True}


def event(seq: int, kind: Kind, status: Status, attempt: int, **data: Any) -> LoggedEvent:
    at = BEGAN + timedelta(seconds=seq)
    return LoggedEvent(WORKSPACE, Position(seq, TASK, seq), kind, status, attempt, data, at, DONE)


def test_the_last_event_shows_the_task_as_it_is() -> None:
    assert as_of(DONE, event(6, Kind.SUCCEEDED, Status.SUCCEEDED, 2)) == DONE


@pytest.mark.parametrize(
    ("logged", "shown"),
    [
        (event(1, Kind.CREATED, Status.QUEUED, 0), {"started_at": None, "cost_micros": 0, "reserved_micros": 50}),
        (event(2, Kind.STARTED, Status.RUNNING, 1), {"started_at": BEGAN, "cost_micros": 0, "error": None}),
        (event(3, Kind.RETRY_SCHEDULED, Status.QUEUED, 1, error=ERROR), {"error": ERROR}),
        # It waited for credits.
        (event(1, Kind.CREATED, Status.WAITING, 0), {"reserved_micros": 0}),
    ],
)
def test_what_came_later_is_taken_back(logged: LoggedEvent, shown: dict[str, Any]) -> None:
    task = as_of(DONE, logged)

    assert (task["status"], task["attempt"]) == (logged.status, logged.attempt)
    assert (task["version"], task["event_seq"]) == (logged.position.seq, logged.position.seq)
    assert (task["output"], task["progress"], task["finished_at"]) == (None, None, None)
    assert {name: task[name] for name in shown} == shown
    assert task["type"] == "email.reply"


def test_a_retry_shows_when_the_next_attempt_was_due() -> None:
    logged = event(3, Kind.RETRY_SCHEDULED, Status.QUEUED, 1, nextAttemptAt="2026-06-01T00:00:05+00:00")

    assert as_of(DONE, logged)["run_at"] == BEGAN + timedelta(seconds=5)


def test_a_start_shows_no_wish_to_cancel_that_came_later() -> None:
    canceled = DONE | {"status": Status.CANCELED, "cancel_requested_at": BEGAN + timedelta(seconds=3)}

    assert as_of(canceled, event(2, Kind.STARTED, Status.RUNNING, 1))["cancel_requested_at"] is None
    asked = as_of(canceled, event(3, Kind.CANCEL_REQUESTED, Status.RUNNING, 1))
    assert asked["cancel_requested_at"] == BEGAN + timedelta(seconds=3)


def test_a_revived_task_shows_its_first_end_as_it_was() -> None:
    failed = as_of(DONE, event(4, Kind.FAILED, Status.FAILED, 1, error=ERROR))

    assert (failed["status"], failed["error"], failed["finished_at"]) == (
        Status.FAILED,
        ERROR,
        BEGAN + timedelta(seconds=4),
    )
