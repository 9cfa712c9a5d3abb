"""`bizq doctor` names the tasks that are stuck, whosever they are."""

from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app import ids
from app.services.task.health import StuckKind, StuckTasks, stuck_tasks
from app.settings import Settings
from tests.integration.cli.conftest import Bizq, Fail
from tests.integration.engine.desk import Desk

LEASE_OVER = """UPDATE tasks SET status = 'RUNNING', attempt = 2, leased_by = 'host:7',
    lease_until = now() - interval '1 year' WHERE id = :id"""
PUT_OFF = "UPDATE tasks SET run_at = now() - interval '1 year', status = :status WHERE id = :id"
OPEN_ATTEMPT = """INSERT INTO task_attempts (task_id, number, workspace_id, status, started_at)
    SELECT id, 1, workspace_id, 'RUNNING', now() - interval '1 minute' FROM tasks WHERE id = :id"""
NOW = timedelta(0)
# What the engine's tests have left open is older than this one's.
CLOSE_ATTEMPTS = "UPDATE task_attempts SET status = 'CANCELED' WHERE status = 'RUNNING'"


@pytest.fixture
def database(settings: Settings) -> dict[str, str]:
    return {"DATABASE_URL": settings.app_database_url, "REDIS_URL": settings.redis, "OPENAI_API_KEY": "sk-test"}


def named(answer: Any, check: str) -> list[dict[str, Any]]:
    (found,) = (item for item in answer["checks"] if item["name"] == check)
    tasks: list[dict[str, Any]] = found["tasks"]
    return tasks


def task_ids(found: StuckTasks, kind: StuckKind) -> list[UUID]:
    return [task.task_id for task in found[kind]]


async def test_each_kind_of_stuck_work_is_data(bizq: Bizq, desk: Desk, fail: Fail, database: dict[str, str]) -> None:
    due, leased, tried = await desk.accept(3)
    await desk.change(PUT_OFF, id=due, status="QUEUED")
    await desk.change(LEASE_OVER, id=leased)
    await desk.change(CLOSE_ATTEMPTS)
    await desk.change(OPEN_ATTEMPT, id=tried)
    lost = await fail(minutes=0)

    result = await bizq("doctor", "--json", **database)

    assert result.code == 1
    common = {"workspaceId": desk.tenant.workspace_id, "type": "text.summarize"}
    waiting, over = named(result.json, "queue")[0], named(result.json, "leases")[0]
    assert waiting == common | {
        "id": ids.encode(ids.TASK, due), "since": waiting["since"], "leasedBy": None, "attempt": None,
    }  # fmt: skip
    assert over == common | {
        "id": ids.encode(ids.TASK, leased), "since": over["since"], "leasedBy": "host:7", "attempt": 2,
    }  # fmt: skip
    assert ids.encode(ids.TASK, tried) in [task["id"] for task in named(result.json, "attempts")]
    assert named(result.json, "lost tasks")[0]["id"] == lost


async def test_each_kind_of_stuck_work_is_told_with_what_to_do(
    bizq: Bizq, desk: Desk, fail: Fail, database: dict[str, str]
) -> None:
    leased = await desk.accept_one()
    await desk.change(LEASE_OVER, id=leased)
    lost = [await fail(minutes=0) for _ in range(6)]

    lines = [line.strip() for line in (await bizq("doctor", **database)).out.splitlines()]

    of = f"of {desk.tenant.workspace_id}"
    assert f"{ids.encode(ids.TASK, leased)} {of}, text.summarize, 365 d, attempt 2, leased by host:7" in lines
    advice = "→ When workers live again, for each workspace: `bizq task retry --failed-since 24h --error worker_lost`."
    start = lines.index(advice)
    assert [line.split()[0] for line in lines[start + 1 : start + 7]] == [*lost[:0:-1], "…"]


async def test_a_task_is_due_for_too_long_only_after_that(engine: AsyncEngine, desk: Desk) -> None:
    fresh, urgent = await desk.accept_one(), await desk.accept_one(priority=1)

    patient = await stuck_tasks(engine, patience=timedelta(hours=1), most=1_000)
    impatient = await stuck_tasks(engine, patience=NOW, most=1_000)

    assert not {fresh, urgent} & set(task_ids(patient, StuckKind.DUE))
    assert {fresh, urgent} <= set(task_ids(impatient, StuckKind.DUE))


async def test_a_task_has_waited_since_its_last_event(engine: AsyncEngine, desk: Desk) -> None:
    retried = await desk.accept_one()
    await desk.change("UPDATE tasks SET created_at = now() - interval '1 year' WHERE id = :id", id=retried)

    found = await stuck_tasks(engine, patience=timedelta(minutes=10), most=1_000)

    assert retried not in task_ids(found, StuckKind.DUE)
    (event,) = await desk.events(retried)
    (task,) = (
        task for task in (await stuck_tasks(engine, patience=NOW, most=1_000))[StuckKind.DUE] if task.task_id == retried
    )
    assert task.since == event["at"]


async def test_a_schedule_nobody_serves_is_stuck_and_a_persons_work_is_not(engine: AsyncEngine, desk: Desk) -> None:
    scheduled, persons, later = await desk.accept(3)
    await desk.change(PUT_OFF, id=scheduled, status="SCHEDULED")
    await desk.change(PUT_OFF, id=persons, status="QUEUED")
    await desk.change("UPDATE tasks SET routing = NULL WHERE id = :id", id=persons)
    await desk.change("UPDATE tasks SET run_at = now() + interval '1 hour' WHERE id = :id", id=later)

    found = task_ids(await stuck_tasks(engine, patience=NOW, most=1_000), StuckKind.DUE)

    assert scheduled in found
    assert not {persons, later} & set(found)


async def test_an_attempt_is_dead_when_its_task_has_gone_on(engine: AsyncEngine, desk: Desk) -> None:
    alive, gone_on = await desk.accept(2)
    for task_id, attempt in ((alive, 1), (gone_on, 2)):
        await desk.change(LEASE_OVER, id=task_id)
        await desk.change("UPDATE tasks SET attempt = :attempt WHERE id = :id", attempt=attempt, id=task_id)
        await desk.change(OPEN_ATTEMPT, id=task_id)

    found = task_ids(await stuck_tasks(engine, patience=NOW, most=1_000), StuckKind.ATTEMPT_DEAD)

    assert gone_on in found
    assert alive not in found


async def test_lost_tasks_are_those_of_a_day(engine: AsyncEngine, fail: Fail) -> None:
    today, before, other = await fail(minutes=23 * 60), await fail(minutes=25 * 60), await fail(code="rate_limited")

    found = await stuck_tasks(engine, patience=NOW, most=1_000)

    public = {ids.encode(ids.TASK, task_id) for task_id in task_ids(found, StuckKind.WORKER_LOST)}
    assert today in public
    assert not {before, other} & public


async def test_no_more_of_a_kind_than_asked_for(engine: AsyncEngine, desk: Desk) -> None:
    for task_id in await desk.accept(4):
        await desk.change(LEASE_OVER, id=task_id)

    found = await stuck_tasks(engine, patience=NOW, most=3)

    assert len(found[StuckKind.LEASE_LOST]) == 3
    assert {task.workspace_id for task in found[StuckKind.LEASE_LOST]} == {desk.tenant.account.workspace_id}
