from typing import Any
from uuid import UUID

import pytest

from app import ids
from app.actors.runner import Runner
from app.fakes.faults import Fault, FaultKind
from tests.integration.conftest import Fakes
from tests.integration.engine.desk import Desk
from tests.integration.graphql_client import Gql

RETRY = """mutation($id: ID!) { retryTask(id: $id) {
  task { status attemptCount error { code } finishedAt cancelRequestedAt } errors { code path } } }"""
CANCEL = "mutation($id: ID!) { cancelTask(id: $id) { errors { code } } }"


async def retry(gql: Gql, task_id: UUID) -> dict[str, Any]:
    payload: dict[str, Any] = (await gql(RETRY, id=ids.encode(ids.TASK, task_id)))["retryTask"]
    return payload


async def test_a_failed_task_comes_back_with_all_its_attempts(
    desk: Desk, gql: Gql, worker: Runner, fakes: Fakes
) -> None:
    fakes.faults.add(Fault("openai", FaultKind.SERVER_ERROR, times=4))
    task_id = await desk.accept_one()
    await desk.ended(task_id)
    payload = await retry(gql, task_id)

    assert payload["errors"] == []
    assert payload["task"] == {
        "status": "QUEUED",
        "attemptCount": 3,
        "error": None,
        "finishedAt": None,
        "cancelRequestedAt": None,
    }
    task = await desk.ended(task_id)
    assert (task["status"], task["attempt"]) == ("SUCCEEDED", 5)
    assert len(await desk.attempts(task_id)) == 5
    kinds = await desk.kinds(task_id)
    assert kinds[6:8] == ["FAILED", "QUEUED"] and kinds[-1] == "SUCCEEDED"


async def test_a_canceled_task_comes_back(desk: Desk, gql: Gql, worker: Runner) -> None:
    await worker.drain(1)
    task_id = await desk.accept_one()
    await gql(CANCEL, id=ids.encode(ids.TASK, task_id))

    assert (await retry(gql, task_id))["task"]["status"] == "QUEUED"
    assert [task["id"] for task in await desk.claim()] == [task_id]
    assert await desk.kinds(task_id) == ["CREATED", "CANCELED", "QUEUED", "STARTED"]


async def test_an_expired_task_comes_back_and_does_not_expire_again(desk: Desk, gql: Gql) -> None:
    task_id = await desk.accept_one()
    await desk.change("UPDATE tasks SET expires_at = now() - interval '1 s' WHERE id = :id", id=task_id)
    await desk.settle()
    assert (await desk.task(task_id))["status"] == "EXPIRED"

    await retry(gql, task_id)
    await desk.settle()

    assert [task["id"] for task in await desk.claim()] == [task_id]


@pytest.mark.parametrize("status", ["SUCCEEDED", "QUEUED", "RUNNING", "SCHEDULED"])
async def test_other_tasks_cannot_be_retried(desk: Desk, gql: Gql, status: str) -> None:
    task_id = await desk.accept_one()
    await desk.change("UPDATE tasks SET status = :status WHERE id = :id", id=task_id, status=status)

    payload = await retry(gql, task_id)

    assert payload == {"task": None, "errors": [{"code": "INVALID_STATE", "path": ["id"]}]}
    assert await desk.kinds(task_id) == ["CREATED"]


async def test_history_is_kept(desk: Desk, gql: Gql, worker: Runner, fakes: Fakes) -> None:
    fakes.faults.add(Fault("openai", FaultKind.BAD_REQUEST))
    task_id = await desk.accept_one()
    await desk.ended(task_id)
    await retry(gql, task_id)
    await desk.ended(task_id)

    assert [row["status"] for row in await desk.attempts(task_id)] == ["FAILED", "SUCCEEDED"]
    failed = (await desk.events(task_id))[2]
    assert (failed["kind"], failed["data"]["error"]["code"]) == ("FAILED", "bad_request")
