from datetime import UTC, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest

from app import ids
from app.cli.check import Check, Finding, task_line
from app.cli.queue_checks import queue_checks
from app.services.task.health import QueueHealth, StuckKind, StuckTask

NOW = datetime(2026, 1, 1, tzinfo=UTC)
WORKSPACE, TASK = UUID("01890a5d-ac96-774b-bcce-b302099a8057"), UUID("01890a5d-ac96-774b-bcce-b302099a8058")


def stuck(minutes: float, leased_by: str | None = None, attempt: int | None = None) -> StuckTask:
    return StuckTask(WORKSPACE, TASK, "email.reply", NOW - timedelta(minutes=minutes), leased_by, attempt)


def checks(named: dict[StuckKind, tuple[StuckTask, ...]] | None = None, **figures: Any) -> dict[str, Check]:
    quiet: dict[str, Any] = {
        "now": NOW, "due": 0, "oldest_due_since": None, "running": 0, "leases_lost": 0,
        "oldest_lease_lost_at": None, "orphaned_attempts": 0, "lost_attempts": 0,
    }  # fmt: skip
    tasks = dict.fromkeys(StuckKind, ()) | (named or {})
    return {check.name: check for check in queue_checks(QueueHealth(**{**quiet, **figures}), tasks)}


def test_a_quiet_queue_is_well() -> None:
    assert {name: check.finding for name, check in checks().items()} == {
        "queue": Finding.OK,
        "leases": Finding.OK,
        "attempts": Finding.OK,
        "lost tasks": Finding.OK,
    }


@pytest.mark.parametrize(
    ("running", "leases_lost", "finding"), [(0, 0, Finding.FAILED), (3, 3, Finding.FAILED), (3, 1, Finding.WARNING)]
)
def test_a_long_wait_is_wrong_where_nobody_works(running: int, leases_lost: int, finding: Finding) -> None:
    since = NOW - timedelta(minutes=5)

    check = checks(due=7, oldest_due_since=since, running=running, leases_lost=leases_lost)["queue"]

    assert check.finding is finding
    assert check.message == f"7 tasks due, the oldest for 5 min; {running} running"
    assert check.advice is not None
    assert "bizq worker" in check.advice


def test_a_lease_that_ran_out_a_moment_ago_is_still_normal() -> None:
    overdue = {"running": 1, "leases_lost": 1}

    young = checks(**overdue, oldest_lease_lost_at=NOW - timedelta(seconds=2))["leases"]
    old = checks(**overdue, oldest_lease_lost_at=NOW - timedelta(seconds=45))["leases"]

    assert young.finding is Finding.OK
    assert old.finding is Finding.FAILED
    assert old.message == "1 running tasks have lost their worker, the first 45 s ago"


def test_orphaned_attempts_weigh_more_than_lost_ones() -> None:
    assert checks(lost_attempts=2)["attempts"].finding is Finding.WARNING
    assert checks(lost_attempts=2, orphaned_attempts=1)["attempts"].finding is Finding.FAILED


def test_what_is_stuck_is_named_where_it_belongs() -> None:
    named = {kind: (stuck(minutes),) for minutes, kind in enumerate(StuckKind, 1)}

    found = checks(named, due=1, oldest_due_since=NOW - timedelta(minutes=1))

    assert {name: check.tasks for name, check in found.items()} == {
        "queue": named[StuckKind.DUE],
        "leases": named[StuckKind.LEASE_LOST],
        "attempts": named[StuckKind.ATTEMPT_DEAD],
        "lost tasks": named[StuckKind.WORKER_LOST],
    }


def test_a_dead_attempt_the_figures_do_not_count_is_wrong_all_the_same() -> None:
    check = checks({StuckKind.ATTEMPT_DEAD: (stuck(20_000, attempt=1),)})["attempts"]

    assert (check.finding, check.message) == (
        Finding.FAILED,
        "1 attempts are open although their tasks have gone on",
    )


@pytest.mark.parametrize(("count", "words"), [(1, "1 ended"), (5, "5 ended"), (6, "more than 5 ended")])
def test_tasks_that_lost_their_workers_come_with_the_command_that_revives_them(count: int, words: str) -> None:
    check = checks({StuckKind.WORKER_LOST: (stuck(1),) * count})["lost tasks"]

    assert check.finding is Finding.WARNING
    assert check.message.startswith(words)
    assert check.advice is not None
    assert "`bizq task retry --failed-since 24h --error worker_lost`" in check.advice
    assert len(check.as_json()["tasks"]) == min(count, 5)


def test_a_stuck_task_is_one_line() -> None:
    task, workspace = ids.encode(ids.TASK, TASK), ids.encode(ids.WORKSPACE, WORKSPACE)

    assert task_line(stuck(5), NOW).plain == f"{task} of {workspace}, email.reply, 5 min"
    assert task_line(stuck(180, "host:7", 2), NOW).plain == (
        f"{task} of {workspace}, email.reply, 3 h, attempt 2, leased by host:7"
    )


def test_a_stuck_task_is_data_too() -> None:
    check = Check("leases", Finding.FAILED, "lost", None, (stuck(5, "host:7", 2),))

    assert check.as_json()["tasks"] == [
        {
            "id": ids.encode(ids.TASK, TASK), "workspaceId": ids.encode(ids.WORKSPACE, WORKSPACE),
            "type": "email.reply", "since": "2025-12-31T23:55:00+00:00", "leasedBy": "host:7", "attempt": 2,
        }
    ]  # fmt: skip
