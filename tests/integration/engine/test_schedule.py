"""What time decides, by however many processes at once."""

import asyncio
from collections.abc import Callable
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest

from app import ids
from app.actors.scheduler import Scheduler
from app.models import TaskEventKind
from app.services.task import attempt, claim, schedule, transition
from app.services.task.attempt import Failure
from app.services.task.claim import Held
from app.settings import Settings
from tests.conftest import Servers
from tests.integration.engine.desk import Desk
from tests.integration.engine.plans import plans_of
from tests.integration.graphql_client import Gql

CANCEL = "mutation($id: ID!) { cancelTask(id: $id) { task { status wait { reason } } errors { code } } }"
PAST = "now() - interval '1 second'"
LATER = "now() + interval '1 hour'"
LEASE = timedelta(seconds=30)

MakeScheduler = Callable[[], Scheduler]


@pytest.fixture
def make_scheduler(desk: Desk, service_settings: Settings) -> MakeScheduler:
    """Not started: a test makes its sweeps."""
    return lambda: Scheduler(desk.engine, desk.unit_of_work, service_settings, lambda: None)


async def counted(desk: Desk, condition: str) -> int:
    """The tenant's tasks for which it holds."""
    sql = f"SELECT count(*) AS count FROM tasks t WHERE t.workspace_id = :id AND {condition}"
    found: int = (await desk.rows(sql, id=desk.tenant.account.workspace_id))[0]["count"]
    return found


async def cancel(gql: Gql, task_id: UUID) -> dict[str, Any]:
    answer: dict[str, Any] = (await gql(CANCEL, id=ids.encode(ids.TASK, task_id)))["cancelTask"]
    return answer


async def waiting(desk: Desk, *, minutes: float | None = 5, on_timeout: str = "FAIL") -> UUID:
    """A task that has begun and then waits, as the work that asks for an answer puts it."""
    task_id = await desk.accept_one()
    await desk.claim()
    async with desk.unit_of_work(desk.tenant.principal) as uow:
        values = {
            "wait": {"id": ids.encode(ids.WAIT, ids.new_id()), "reason": "APPROVAL", "on_timeout": on_timeout},
            "wait_until": uow.now + timedelta(minutes=minutes) if minutes is not None else None,
            "lease_until": None,
        }
        assert await transition.apply(uow, task_id, TaskEventKind.WAITING, data={}, values=values, attempt=1)
    return task_id


async def test_one_sweep_queues_all_that_is_due(desk: Desk, make_scheduler: MakeScheduler) -> None:
    await desk.pile(700, status="'SCHEDULED'", run_at=PAST)
    await desk.pile(600, run_at=PAST, started_at="now()", attempt="1")
    await desk.pile(10, status="'SCHEDULED'", run_at=LATER)

    await make_scheduler()._queue_due()

    assert await counted(desk, "t.status = 'QUEUED' AND t.run_at IS NULL") == 1_300
    assert await counted(desk, "t.status = 'SCHEDULED'") == 10


async def test_two_processes_at_once_move_each_task_once(desk: Desk, make_scheduler: MakeScheduler) -> None:
    await desk.pile(1_200, status="'SCHEDULED'", run_at=PAST)
    await desk.pile(1_200, run_at=PAST, started_at="now()", attempt="1")

    await asyncio.gather(*(make_scheduler()._queue_due() for _ in range(2)))

    assert await counted(desk, "t.status = 'QUEUED' AND t.run_at IS NULL") == 2_400
    told = await desk.rows(
        "SELECT kind, seq, count(*) AS count FROM task_events WHERE workspace_id = :id GROUP BY kind, seq",
        id=desk.tenant.account.workspace_id,
    )
    assert [dict(row) for row in told] == [{"kind": "QUEUED", "seq": 1, "count": 1_200}]
    assert await counted(desk, "t.event_seq = 1 AND t.version = 2") == 1_200
    assert await counted(desk, "t.event_seq = 0 AND t.version = 1") == 1_200


async def test_one_sweep_ends_all_that_is_overdue(desk: Desk, make_scheduler: MakeScheduler) -> None:
    await desk.pile(250, expires_at=PAST)

    await asyncio.gather(*(make_scheduler()._settle() for _ in range(2)))

    assert await counted(desk, "t.status = 'EXPIRED' AND t.event_seq = 1") == 250


async def test_what_expires_before_its_time_has_come_is_not_queued(desk: Desk) -> None:
    await desk.pile(1, status="'SCHEDULED'", run_at=PAST, expires_at=PAST)

    assert await schedule.queue_due(desk.engine, desk.unit_of_work) == 0
    await asyncio.gather(desk.settle(), desk.settle())

    assert await counted(desk, "t.status = 'EXPIRED' AND t.event_seq = 1 AND t.finished_at IS NOT NULL") == 1


async def test_a_wait_is_left_alone_until_its_time_is_over(desk: Desk) -> None:
    tasks = [await waiting(desk), await waiting(desk, minutes=None)]

    assert await desk.settle() == 0
    assert [(await desk.task(task))["status"] for task in tasks] == ["WAITING", "WAITING"]
    assert await desk.claim() == []


@pytest.mark.parametrize("on_timeout", ["FAIL", "USE_DEFAULT", "ESCALATE"])
async def test_a_wait_that_nobody_answers_fails(desk: Desk, on_timeout: str) -> None:
    task_id = await waiting(desk, minutes=-1, on_timeout=on_timeout)

    await asyncio.gather(desk.settle(), desk.settle())

    task = await desk.task(task_id)
    assert (task["status"], task["error"]["code"], task["wait_until"]) == ("FAILED", "wait_timeout", None)
    assert task["error"]["retryable"] is False
    assert await desk.kinds(task_id) == ["CREATED", "STARTED", "WAITING", "FAILED"]


async def test_a_wait_may_end_as_cancelled(desk: Desk) -> None:
    task_id = await waiting(desk, minutes=-1, on_timeout="CANCEL")

    await asyncio.gather(desk.settle(), desk.settle())

    task = await desk.task(task_id)
    assert (task["status"], task["error"], task["wait"]) == ("CANCELED", None, None)
    assert (await desk.events(task_id))[-1]["data"] == {"reason": "wait_timeout"}


async def test_a_waiting_task_is_cancelled_at_once_and_waits_for_nothing_more(desk: Desk, gql: Gql) -> None:
    task_id = await waiting(desk)

    assert await cancel(gql, task_id) == {"task": {"status": "CANCELED", "wait": None}, "errors": []}
    assert await desk.kinds(task_id) == ["CREATED", "STARTED", "WAITING", "CANCELED"]


async def test_a_scheduled_task_is_cancelled_at_once(desk: Desk, gql: Gql) -> None:
    await desk.pile(1, status="'SCHEDULED'", run_at=LATER)
    (row,) = await desk.rows("SELECT id FROM tasks WHERE workspace_id = :id", id=desk.tenant.account.workspace_id)

    assert (await cancel(gql, row["id"]))["task"]["status"] == "CANCELED"
    await desk.change(f"UPDATE tasks SET run_at = {PAST} WHERE id = :id", id=row["id"])
    assert await desk.settle() == 0
    assert await desk.kinds(row["id"]) == ["CANCELED"]


async def test_a_waiting_task_takes_nobodys_place(desk: Desk) -> None:
    await waiting(desk)
    await desk.accept(3)

    assert len(await desk.claim(per_workspace=2)) == 2


async def test_a_cancel_that_a_living_worker_ignores_is_carried_out(desk: Desk, gql: Gql) -> None:
    task_id = await desk.accept_one()
    await desk.claim()
    await cancel(gql, task_id)
    grace = schedule.CANCEL_GRACE + timedelta(seconds=1)
    held = [Held(task_id, 1)]
    assert await claim.renew_leases(desk.hot, held, lease=LEASE) == set(held)
    assert await desk.settle() == 0

    backdate = "UPDATE tasks SET cancel_requested_at = now() - cast(:grace AS interval) WHERE id = :id"
    await desk.change(backdate, grace=grace, id=task_id)
    await desk.settle()

    assert await claim.renew_leases(desk.hot, held, lease=LEASE) == set()
    async with desk.unit_of_work(desk.tenant.principal) as uow:
        assert not await attempt.fail(uow, task_id, 1, Failure("timeout", "late", retryable=True))
    assert await desk.kinds(task_id) == ["CREATED", "STARTED", "CANCEL_REQUESTED", "CANCELED"]
    assert [row["status"] for row in await desk.attempts(task_id)] == ["CANCELED"]
    assert (await desk.task(task_id))["error"] is None
    assert (await desk.settle(), await desk.claim()) == (0, [])


async def test_idempotency_keys_go_after_a_day(desk: Desk, make_scheduler: MakeScheduler) -> None:
    workspace = desk.tenant.account.workspace_id
    insert = """INSERT INTO idempotency_keys (workspace_id, key, fingerprint, created_at)
        SELECT :id, h || '-' || n, '', now() - make_interval(hours => h)
        FROM generate_series(1, :count) n, cast(:hours AS integer) h"""
    await desk.change(insert, id=workspace, hours=25, count=2_500)
    await desk.change(insert, id=workspace, hours=23, count=10)

    assert await schedule.expire_idempotency_keys(desk.engine) == schedule.KEYS_BATCH
    await asyncio.gather(*(make_scheduler()._keep_house() for _ in range(2)))

    left = await desk.rows("SELECT key FROM idempotency_keys WHERE workspace_id = :id", id=workspace)
    assert sorted(row["key"] for row in left) == sorted(f"23-{n}" for n in range(1, 11))


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"status": "'SUCCEEDED'", "finished_at": "now()", "started_at": "now()"}, id="done"),
        pytest.param({"status": "'SCHEDULED'", "run_at": LATER, "expires_at": LATER}, id="scheduled"),
        pytest.param({}, id="queued"),
        pytest.param({"status": "'WAITING'", "started_at": "now()"}, id="waiting"),
    ],
)
async def test_sweeps_read_only_indexes_of_a_large_table(desk: Desk, servers: Servers, columns: dict[str, str]) -> None:
    await desk.pile(50_000, **columns)
    await desk.pile(20, status="'SCHEDULED'", run_at=PAST)
    await desk.pile(20, expires_at=PAST)
    try:
        due = await plans_of(servers, "SELECT * FROM queue_due_tasks(500)")
        overdue = await plans_of(servers, "SELECT * FROM overdue_tasks(interval '30 seconds', 100)")
    finally:
        await desk.clear()

    assert "idx_tasks_due" in "".join(due)
    for name in ("expiry", "lease", "canceling", "waiting"):
        assert f"idx_tasks_{name}" in "".join(overdue)
    assert "Seq Scan on tasks" not in "".join(due + overdue)
