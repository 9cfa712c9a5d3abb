"""What the scheduler serves: due times, deadlines of waits, keys that are old."""

import asyncio
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app.actors.scheduler import Scheduler
from app.models import TaskEventKind
from app.principal import Principal
from app.services.task import schedule, transition
from app.settings import Settings
from tests.integration.engine.desk import Desk
from tests.integration.graphql_client import Gql
from tests.integration.streams.watching import public

CANCEL = "mutation($id: ID!) { cancelTask(id: $id) { task { status } errors { code } } }"


async def wait(desk: Desk, task_id: UUID, *, on_timeout: str, seconds: float) -> None:
    """Claimed, then waiting for a person until so many seconds from now."""
    (claimed,) = [row for row in await desk.claim() if row["id"] == task_id]
    wait = {"id": "wait_1", "reason": "HUMAN_WORK", "on_timeout": on_timeout}
    async with desk.unit_of_work(Principal.system(claimed["workspace_id"])) as uow:
        values: dict[str, Any] = {"wait": wait, "wait_until": uow.now + timedelta(seconds=seconds), "lease_until": None}
        await transition.apply(uow, task_id, TaskEventKind.WAITING, data={}, values=values, attempt=1)


async def test_a_thousand_schedules_are_queued_in_one_sweep(desk: Desk, service_settings: Settings) -> None:
    await desk.pile(1_200, status="'SCHEDULED'", run_at="now() - interval '1 second'")
    looks: list[None] = []
    scheduler = Scheduler(desk.engine, desk.unit_of_work, service_settings, lambda: looks.append(None))

    await asyncio.gather(scheduler._queue_due(), scheduler._queue_due())

    of_mine = "FROM tasks WHERE workspace_id = :id"
    (row,) = await desk.rows(
        f"SELECT count(*) AS all, count(*) FILTER (WHERE status = 'QUEUED' AND run_at IS NULL) AS queued {of_mine}",
        id=desk.tenant.account.workspace_id,
    )
    events = await desk.rows(
        "SELECT task_id, kind FROM task_events WHERE workspace_id = :id", id=desk.tenant.account.workspace_id
    )
    assert (row["all"], row["queued"]) == (1_200, 1_200)
    assert len({event["task_id"] for event in events}) == len(events) == 1_200
    assert looks


async def test_a_schedule_that_expires_before_it_is_due_is_never_queued(desk: Desk) -> None:
    task_id = await desk.accept_one()
    await desk.change(
        "UPDATE tasks SET status = 'SCHEDULED', run_at = now() - interval '1 s', expires_at = now() - interval '2 s' "
        "WHERE id = :id",
        id=task_id,
    )

    await desk.settle()

    assert (await desk.task(task_id))["status"] == "EXPIRED"


@pytest.mark.parametrize(
    ("on_timeout", "status", "code"), [("FAIL", "FAILED", "wait_timeout"), ("CANCEL", "CANCELED", None)]
)
async def test_a_wait_that_nobody_answers_ends_as_it_says(
    desk: Desk, on_timeout: str, status: str, code: str | None
) -> None:
    task_id = await desk.accept_one()
    await wait(desk, task_id, on_timeout=on_timeout, seconds=0.2)
    await desk.settle()
    assert (await desk.task(task_id))["status"] == "WAITING"
    await asyncio.sleep(0.25)

    await asyncio.gather(desk.settle(), desk.settle())

    task = await desk.task(task_id)
    assert (task["status"], task["wait"], task["wait_until"]) == (status, None, None)
    assert (task["error"] or {}).get("code") == code
    assert await desk.kinds(task_id) == ["CREATED", "STARTED", "WAITING", status]


async def test_a_waiting_task_shows_its_deadline_holds_no_slot_and_can_be_cancelled(desk: Desk, gql: Gql) -> None:
    task_id, other = await desk.accept(2)
    await desk.change("UPDATE tasks SET priority = 1 WHERE id = :id", id=task_id)
    (claimed,) = await desk.claim(1)
    assert claimed["id"] == task_id
    async with desk.unit_of_work(Principal.system(claimed["workspace_id"])) as uow:
        until = uow.now + timedelta(days=7)
        wait = {"id": "wait_1", "reason": "HUMAN_WORK", "on_timeout": "FAIL"}
        values = {"wait": wait, "wait_until": until, "lease_until": None}
        await transition.apply(uow, task_id, TaskEventKind.WAITING, data={}, values=values, attempt=1)

    shown = await gql("query($id: ID!) { task(id: $id) { wait { id deadline onTimeout } } }", id=public(task_id))
    claims = await desk.claim(5, per_workspace=1)
    canceled = await gql(CANCEL, id=public(task_id))

    assert shown["task"]["wait"] == {"id": "wait_1", "deadline": until.isoformat(), "onTimeout": "FAIL"}
    assert [row["id"] for row in claims] == [other]
    assert canceled["cancelTask"] == {"task": {"status": "CANCELED"}, "errors": []}


async def test_idempotency_keys_are_forgotten_after_a_day(desk: Desk) -> None:
    workspace = desk.tenant.account.workspace_id
    await desk.change(
        "INSERT INTO idempotency_keys (workspace_id, key, fingerprint, created_at) "
        "SELECT cast(:id AS uuid), 'old ' || n, cast('' AS bytea), now() - interval '25 hours' "
        "FROM generate_series(1, 1500) n "
        "UNION ALL SELECT cast(:id AS uuid), 'new', cast('' AS bytea), now() - interval '23 hours'",
        id=workspace,
    )

    deleted = [await schedule.expire_idempotency_keys(desk.engine) for _ in range(2)]

    left = await desk.rows("SELECT key FROM idempotency_keys WHERE workspace_id = :id", id=workspace)
    assert deleted == [1_000, 500]
    assert [row["key"] for row in left] == ["new"]
