import asyncio
from typing import Any
from uuid import UUID

import pytest

from app import ids
from app.actors.runner import Runner
from app.fakes.faults import Fault, FaultKind
from app.services.task import attempt
from app.services.task.attempt import Cost, Failure
from tests.integration.conftest import Fakes
from tests.integration.engine.calls import open_call
from tests.integration.engine.desk import Desk
from tests.integration.graphql_client import Gql

CANCEL = """mutation($id: ID!, $reason: String) { cancelTask(id: $id, reason: $reason) {
  task { status attemptCount cancelRequestedAt finishedAt } errors { code path } } }"""
PARTIAL = "query($id: ID!) { task(id: $id) { status partialOutput } }"
COST = Cost(10, 5, 0, 7, estimated=False)


async def cancel(gql: Gql, task_id: UUID, reason: str | None = None) -> dict[str, Any]:
    answer = await gql(CANCEL, id=ids.encode(ids.TASK, task_id), reason=reason)
    payload: dict[str, Any] = answer["cancelTask"]
    return payload


async def test_what_nobody_works_on_ends_at_once(desk: Desk, gql: Gql) -> None:
    task_id = await desk.accept_one()
    payload = await cancel(gql, task_id, "ordered twice")

    assert (payload["errors"], payload["task"]["status"]) == ([], "CANCELED")
    assert payload["task"]["finishedAt"] is not None
    assert await desk.kinds(task_id) == ["CREATED", "CANCELED"]
    assert (await desk.events(task_id))[1]["data"] == {"reason": "ordered twice"}
    assert await desk.claim() == []


async def test_running_work_stops_within_a_second_and_a_half(
    desk: Desk, gql: Gql, worker: Runner, fakes: Fakes
) -> None:
    fakes.faults.add(Fault("openai", FaultKind.SLOW, delay=0.2))
    task_id = await desk.accept_one()
    call = await open_call(fakes)
    await asyncio.sleep(0.7)
    payload = await cancel(gql, task_id)
    assert (payload["task"]["status"], payload["task"]["finishedAt"]) == ("RUNNING", None)

    task = await desk.ended(task_id, seconds=1.5)

    await call.ended.wait()
    assert (task["status"], task["attempt"], call.outcome) == ("CANCELED", 1, "disconnected")
    assert await desk.kinds(task_id) == ["CREATED", "STARTED", "CANCEL_REQUESTED", "CANCELED"]
    (row,) = await desk.attempts(task_id)
    assert (row["status"], row["usage_estimated"]) == ("CANCELED", True)
    assert row["output_text"].startswith('{"summary"')
    assert task["cost_micros"] == row["cost_micros"] > 0
    shown = (await gql(PARTIAL, id=ids.encode(ids.TASK, task_id)))["task"]
    assert shown == {"status": "CANCELED", "partialOutput": row["output_text"]}


async def test_cancelling_twice_gives_the_same_answer_and_one_event(
    desk: Desk, gql: Gql, worker: Runner, fakes: Fakes
) -> None:
    fakes.faults.add(Fault("openai", FaultKind.SLOW, delay=0.2))
    task_id = await desk.accept_one()
    await open_call(fakes)

    first = await cancel(gql, task_id)
    second = await cancel(gql, task_id)
    await desk.ended(task_id)
    third = await cancel(gql, task_id)

    assert first == second
    assert (third["errors"], third["task"]["status"]) == ([], "CANCELED")
    assert third["task"]["cancelRequestedAt"] == first["task"]["cancelRequestedAt"]
    assert (await desk.kinds(task_id)).count("CANCEL_REQUESTED") == 1


async def test_what_has_ended_cannot_be_cancelled(desk: Desk, gql: Gql, worker: Runner) -> None:
    task_id = await desk.accept_one()
    await desk.ended(task_id)

    payload = await cancel(gql, task_id)

    assert payload == {"task": None, "errors": [{"code": "INVALID_STATE", "path": ["id"]}]}
    assert await desk.kinds(task_id) == ["CREATED", "STARTED", "SUCCEEDED"]


@pytest.mark.parametrize("retryable", [True, False])
async def test_an_error_after_the_wish_to_cancel_neither_retries_nor_fails(
    desk: Desk, gql: Gql, retryable: bool
) -> None:
    task_id = await desk.accept_one()
    await desk.claim()
    await cancel(gql, task_id)
    async with desk.unit_of_work(desk.tenant.principal) as uow:
        assert await attempt.fail(uow, task_id, 1, Failure("timeout", "…", retryable), text="half", cost=COST)

    assert await desk.kinds(task_id) == ["CREATED", "STARTED", "CANCEL_REQUESTED", "CANCELED"]
    assert [(row["status"], row["cost_micros"]) for row in await desk.attempts(task_id)] == [("CANCELED", 7)]


async def test_a_worker_that_shuts_down_does_not_revive_what_was_cancelled(desk: Desk, gql: Gql) -> None:
    task_id = await desk.accept_one()
    await desk.claim()
    await cancel(gql, task_id)
    async with desk.unit_of_work(desk.tenant.principal) as uow:
        assert await attempt.hand_back(uow, task_id, 1, text="half", cost=COST)

    assert (await desk.task(task_id))["status"] == "CANCELED"


@pytest.mark.parametrize(
    "silence",
    [
        pytest.param("lease_until = now() - interval '1 s'", id="its worker has gone"),
        pytest.param("cancel_requested_at = now() - interval '31 s'", id="its worker does not obey"),
    ],
)
async def test_the_janitor_ends_what_nobody_ends(desk: Desk, gql: Gql, silence: str) -> None:
    task_id = await desk.accept_one()
    await desk.claim(lease=60)
    await cancel(gql, task_id)
    assert await desk.settle() == 0

    await desk.change(f"UPDATE tasks SET {silence} WHERE id = :id", id=task_id)
    await asyncio.gather(desk.settle(), desk.settle())

    assert await desk.kinds(task_id) == ["CREATED", "STARTED", "CANCEL_REQUESTED", "CANCELED"]


async def test_a_result_that_comes_first_counts(desk: Desk, gql: Gql) -> None:
    task_id = await desk.accept_one()
    await desk.claim()
    await cancel(gql, task_id)
    held = await desk.held(task_id, 1)
    assert await desk.succeed(held, output={"summary": "x"}, text="x", cost=COST)

    assert (await desk.task(task_id))["status"] == "SUCCEEDED"
    assert await desk.settle() == 0
