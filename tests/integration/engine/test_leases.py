import asyncio
from uuid import UUID

import pytest

from app.actors.runner import Runner
from app.actors.work import work
from app.fakes.faults import Fault, FaultKind
from app.models import TaskEventKind
from app.principal import Principal
from app.services.task import attempt
from app.services.task.attempt import Cost, Failure
from app.settings import Settings
from tests.integration.conftest import Fakes
from tests.integration.engine.calls import open_call
from tests.integration.engine.desk import Desk

COST = Cost(10, 5, 0, 7, estimated=False)


async def lose(desk: Desk, task_id: UUID) -> None:
    """Its worker has gone, its lease is over, and somebody notices."""
    await desk.change("UPDATE tasks SET lease_until = now() - interval '1 second' WHERE id = :id", id=task_id)
    await desk.settle()
    await desk.change("UPDATE tasks SET run_at = NULL WHERE id = :id", id=task_id)


async def test_a_task_whose_worker_vanished_is_done_by_another(desk: Desk, service_settings: Settings) -> None:
    task_id = await desk.accept_one()
    await desk.claim(lease=1, claimant="gone")
    async with work(service_settings):
        task = await desk.ended(task_id)

    assert (task["status"], task["attempt"]) == ("SUCCEEDED", 2)
    assert task["leased_by"] != "gone"
    lost, done = await desk.attempts(task_id)
    assert (lost["status"], lost["error"]["code"], done["status"]) == ("FAILED", "worker_lost", "SUCCEEDED")
    assert await desk.kinds(task_id) == ["CREATED", "STARTED", "RETRY_SCHEDULED", "STARTED", "SUCCEEDED"]


async def test_a_living_lease_is_left_alone(desk: Desk) -> None:
    task_id = await desk.accept_one()
    await desk.claim(lease=30)

    assert await desk.settle() == 0
    assert (await desk.task(task_id))["status"] == "RUNNING"


async def test_three_lost_attempts_fail_the_task_and_a_retry_revives_it(desk: Desk) -> None:
    task_id = await desk.accept_one()
    for _ in range(3):
        await desk.claim()
        await lose(desk, task_id)

    task = await desk.task(task_id)
    assert (task["status"], task["error"]["code"]) == ("FAILED", "worker_lost")
    assert [row["error"]["code"] for row in await desk.attempts(task_id)] == ["worker_lost"] * 3


@pytest.mark.parametrize("ending", ["succeed", "fail", "cancel", "hand_back", "lose"])
async def test_a_stale_worker_changes_nothing(desk: Desk, ending: str) -> None:
    task_id = await desk.accept_one()
    await desk.claim()
    await lose(desk, task_id)
    await desk.claim()
    before = await desk.task(task_id), await desk.attempts(task_id), await desk.kinds(task_id)

    held = await desk.held(task_id, 1)

    async with desk.unit_of_work(Principal.system(desk.tenant.account.workspace_id)) as uow:
        changed = await {
            "succeed": lambda: desk.succeed(held, output={"summary": "late"}, text="late", cost=COST),
            "fail": lambda: attempt.fail(uow, task_id, 1, Failure("timeout", "late", retryable=True), cost=COST),
            "cancel": lambda: attempt.cancel(uow, task_id, 1, cost=COST, text="late"),
            "hand_back": lambda: attempt.hand_back(uow, task_id, 1, text="late", cost=COST),
            "lose": lambda: attempt.lose(uow, task_id, 1),
        }[ending]()

    assert changed is False
    assert (await desk.task(task_id), await desk.attempts(task_id), await desk.kinds(task_id)) == before


async def test_a_late_checkpoint_does_not_overwrite_how_the_attempt_ended(desk: Desk) -> None:
    task_id = await desk.accept_one()
    await desk.claim()
    held = await desk.held(task_id, 1)
    assert await desk.succeed(held, output={"summary": "all"}, text="all of it", cost=COST)
    async with desk.unit_of_work(desk.tenant.principal) as uow:
        await attempt.checkpoint(uow, task_id, 1, "all")

    assert [row["output_text"] for row in await desk.attempts(task_id)] == ["all of it"]


async def test_heartbeats_keep_a_long_call_alive(desk: Desk, service_settings: Settings, fakes: Fakes) -> None:
    fakes.faults.add(Fault("openai", FaultKind.SLOW, delay=0.15))
    async with work(service_settings.model_copy(update={"bizq_lease_seconds": 1.0})):
        task_id = await desk.accept_one()
        task = await desk.ended(task_id)

    assert (task["status"], task["attempt"]) == ("SUCCEEDED", 1)
    assert (task["finished_at"] - task["started_at"]).total_seconds() > 3


async def test_a_worker_that_lost_its_task_stops_its_call(desk: Desk, service_settings: Settings, fakes: Fakes) -> None:
    fakes.faults.add(Fault("openai", FaultKind.SLOW, delay=0.2))
    async with work(service_settings.model_copy(update={"bizq_lease_seconds": 1.0})):
        task_id = await desk.accept_one()
        call = await open_call(fakes)
        await desk.change(
            "UPDATE tasks SET attempt = attempt + 1, lease_until = now() + interval '9 s' WHERE id = :id", id=task_id
        )
        async with asyncio.timeout(2):
            await call.ended.wait()

        assert call.outcome == "disconnected"
        assert (await desk.task(task_id))["status"] == "RUNNING"


async def test_draining_finishes_what_ends_in_time(desk: Desk, worker: Runner, fakes: Fakes) -> None:
    fakes.faults.add(Fault("openai", FaultKind.SLOW, delay=0.02))
    task_id = await desk.accept_one()
    await desk.running(task_id)
    await worker.drain(10)

    task = await desk.task(task_id)
    assert (task["status"], task["attempt"]) == ("SUCCEEDED", 1)


async def test_draining_hands_back_what_does_not_end_in_time(desk: Desk, worker: Runner, fakes: Fakes) -> None:
    fakes.faults.add(Fault("openai", FaultKind.SLOW, delay=1))
    task_id = await desk.accept_one(max_attempts=1)
    call = await open_call(fakes)
    await worker.drain(0.1)

    task = await desk.task(task_id)
    assert (task["status"], task["attempt"], task["attempts_before"], task["run_at"]) == ("QUEUED", 1, 1, None)
    assert call.outcome == "disconnected"
    assert await desk.kinds(task_id) == ["CREATED", "STARTED", TaskEventKind.RETRY_SCHEDULED]
    (claimed,) = await desk.claim()
    assert (claimed["id"], claimed["attempt"]) == (task_id, 2)


async def test_a_drained_worker_claims_no_more_and_keeps_nothing(desk: Desk, worker: Runner) -> None:
    accepting = asyncio.create_task(desk.accept(200))
    await asyncio.sleep(0.05)
    await worker.drain(10)
    await accepting

    running = "SELECT id FROM tasks WHERE workspace_id = :id AND status = 'RUNNING'"
    assert await desk.rows(running, id=desk.tenant.account.workspace_id) == []


async def test_what_was_handed_back_was_used_all_the_same(desk: Desk) -> None:
    task_id = await desk.accept_one()
    await desk.claim()
    async with desk.unit_of_work(desk.tenant.principal) as uow:
        assert await attempt.hand_back(uow, task_id, 1, text="half", cost=COST)

    (row,) = await desk.attempts(task_id)
    assert (row["status"], row["output_text"], row["cost_micros"]) == ("CANCELED", "half", 7)
    assert (await desk.task(task_id))["spent_micros"] == 7
