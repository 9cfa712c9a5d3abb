from datetime import UTC, datetime, timedelta
from typing import Any

import pytest

from app.cli.doctor import Check, Finding, queue_checks
from app.services.task.health import QueueHealth

NOW = datetime(2026, 1, 1, tzinfo=UTC)


def checks(**figures: Any) -> dict[str, Check]:
    quiet: dict[str, Any] = {
        "now": NOW, "due": 0, "oldest_due_since": None, "running": 0, "leases_lost": 0,
        "oldest_lease_lost_at": None, "orphaned_attempts": 0, "lost_attempts": 0,
    }  # fmt: skip
    return {check.name: check for check in queue_checks(QueueHealth(**{**quiet, **figures}))}


def test_a_quiet_queue_is_well() -> None:
    assert {name: check.finding for name, check in checks().items()} == {
        "queue": Finding.OK,
        "leases": Finding.OK,
        "attempts": Finding.OK,
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
