"""Another workspace's id and an id of nothing get the same answer, everywhere."""

from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from tests.integration.api.answers import refusals
from tests.integration.api.documents import (
    CANCEL_TASK,
    CREATE_TASK,
    CREATE_TEMPLATE,
    CREATE_WORKER,
    RETRY_TASK,
    TASK_EVENTS,
    TASK_OUTPUT,
    UNKNOWN_TASK,
    draft,
)
from tests.integration.conftest import Tenant
from tests.integration.graphql_client import Gql, Socket

MakeTenant = Callable[[], Awaitable[Tenant]]
GqlAs = Callable[[Tenant | None], Gql]


def without(error: dict[str, Any], *names: str) -> str:
    """The error as text, without what may differ: the id that was asked for, and the request's."""
    extensions = {**error["extensions"], "requestId": ""}
    text = str({**error, "extensions": extensions})
    for name in names:
        text = text.replace(name, "")
    return text


async def test_task_is_not_found_for_both(gql: Gql, foreign_task: str) -> None:
    document = "query($id: ID!) { task(id: $id) { id } }"

    (foreign,) = await gql.errors(document, id=foreign_task)
    (unknown,) = await gql.errors(document, id=UNKNOWN_TASK)

    assert (foreign["extensions"]["code"], foreign["extensions"]["path"]) == ("NOT_FOUND", ["id"])
    assert without(foreign, foreign_task) == without(unknown, UNKNOWN_TASK)


async def test_node_is_null_for_both(gql: Gql, foreign_task: str) -> None:
    found = await gql("query($ids: [ID!]!) { nodes(ids: $ids) { id } }", ids=[foreign_task, UNKNOWN_TASK])

    assert found["nodes"] == [None, None]


@pytest.mark.parametrize("mutation", [CANCEL_TASK, RETRY_TASK])
async def test_mutation_does_not_find_either(gql: Gql, foreign_task: str, mutation: str) -> None:
    (foreign,) = (await gql(mutation, id=foreign_task)).values()
    (unknown,) = (await gql(mutation, id=UNKNOWN_TASK)).values()

    assert foreign["task"] is None
    assert refusals(foreign) == [("NOT_FOUND", ["id"])]
    assert foreign == unknown


@pytest.mark.parametrize("subscription", [TASK_EVENTS, TASK_OUTPUT])
async def test_subscription_does_not_find_either(socket: Socket, foreign_task: str, subscription: str) -> None:
    answers = []
    for task_id in (foreign_task, UNKNOWN_TASK):
        stream = await socket.subscribe(subscription, id=task_id)
        message = await stream.message()
        assert (await stream.message())["type"] == "complete"
        (error,) = message["payload"]["errors"]
        answers.append((message["type"], message["payload"]["data"], without(error, task_id)))
        assert (error["extensions"]["code"], error["extensions"]["path"]) == ("NOT_FOUND", ["taskId"])

    assert answers[0] == answers[1]


async def test_foreign_worker_and_template_are_not_found(gql: Gql, gql_as: GqlAs, make_tenant: MakeTenant) -> None:
    stranger = gql_as(await make_tenant())
    worker = (await stranger(CREATE_WORKER, input={"name": "Ann", "kind": "HUMAN"}))["createWorker"]["worker"]
    template = {"slug": "own.kind", "name": "Own", "prompt": "Do {{it}}."}
    template = (await stranger(CREATE_TEMPLATE, input=template))["createTemplate"]["template"]

    by_worker = (await gql(CREATE_TASK, input=draft(workerId=worker["id"])))["createTask"]
    by_template = (await gql(CREATE_TASK, input=draft(templateId=template["id"])))["createTask"]
    by_slug = (await gql(CREATE_TASK, input=draft(type="own.kind", input=7)))["createTask"]

    assert refusals(by_worker) == [("NOT_FOUND", ["input", "workerId"])]
    assert refusals(by_template) == [("NOT_FOUND", ["input", "templateId"])]
    assert by_slug["errors"] == []
