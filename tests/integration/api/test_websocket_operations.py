"""Operations on a socket that cannot run: each gets its own answer, and the others go on."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest

from tests.integration.api.conftest import MakeTasks
from tests.integration.api.documents import CREATE_TASK, TASK_EVENTS, VIEWER, draft
from tests.integration.conftest import Tenant
from tests.integration.graphql_client import Socket, connect


@pytest.fixture
async def stranger(api: str, make_tenant: Callable[[], Awaitable[Tenant]]) -> AsyncIterator[Socket]:
    async with connect(api, {"Authorization": f"Bearer {(await make_tenant()).api_key}"}) as opened:
        yield opened


async def refusal(socket: Socket, query: str, **variables: Any) -> dict[str, Any]:
    """The extensions of the only error of an operation that is refused before it runs."""
    message = await (await socket.subscribe(query, **variables)).message()
    assert message["type"] == "error", message
    (error,) = message["payload"]
    return {name: value for name, value in error["extensions"].items() if name != "requestId"}


async def test_one_operation_too_many_is_refused_with_the_limit(socket: Socket) -> None:
    streams = [await socket.subscribe(TASK_EVENTS) for _ in range(20)]
    opening = [(await stream.message())["type"] for stream in streams]

    refused = await refusal(socket, TASK_EVENTS)
    await streams[0].stop()
    again = await (await socket.subscribe(TASK_EVENTS)).message()

    assert opening == ["next"] * 20
    assert refused == {"code": "BAD_USER_INPUT", "limit": 20, "actual": 21}
    assert again["type"] == "next"


async def test_document_that_does_not_parse_leaves_the_others_alone(socket: Socket) -> None:
    watching = await socket.subscribe(TASK_EVENTS)
    await watching.next()

    assert await refusal(socket, "{ viewer { role } " + "long " * 100) == {"code": "GRAPHQL_PARSE_FAILED"}
    assert await refusal(socket, "subscription { nothing }") == {"code": "GRAPHQL_VALIDATION_FAILED"}
    created = await (await socket.subscribe(CREATE_TASK, input=draft())).next()

    assert created["errors"] == []
    assert (await watching.next())["task"]["id"] == created["task"]["id"]


@pytest.mark.parametrize(
    ("variables", "path"),
    [
        ({"id": "task_x"}, "taskId"),
        ({"after": "no cursor"}, "after"),
        ({"after": ""}, "after"),
        ({"after": "MS4tMS4wLjAuMA"}, "after"),
    ],
)
async def test_wrong_argument_ends_the_subscription_with_its_name(
    socket: Socket, variables: dict[str, Any], path: str
) -> None:
    stream = await socket.subscribe(TASK_EVENTS, **variables)
    message = await stream.message()

    (error,) = message["payload"]["errors"]
    assert error["extensions"]["code"] == ("NOT_FOUND" if path == "taskId" else "BAD_USER_INPUT")
    assert error["extensions"]["path"] == [path]
    assert (await stream.message())["type"] == "complete"


async def test_offset_below_zero_is_refused(socket: Socket, make_tasks: MakeTasks) -> None:
    (task_id,) = await make_tasks(draft())
    query = "subscription($id: ID!) { taskOutput(taskId: $id, fromOffset: -1) { text } }"

    message = await (await socket.subscribe(query, id=task_id)).message()

    assert message["payload"]["errors"][0]["extensions"]["path"] == ["fromOffset"]


async def test_workspace_stream_says_nothing_of_another_workspace(
    socket: Socket, stranger: Socket, make_tasks: MakeTasks
) -> None:
    theirs, ours = await stranger.subscribe(TASK_EVENTS), await socket.subscribe(TASK_EVENTS)
    await theirs.next()
    await ours.next()

    (our_task,) = await make_tasks(draft())
    assert (await ours.next())["task"]["id"] == our_task
    their_task = await (await stranger.subscribe(CREATE_TASK, input=draft())).next()

    assert (await theirs.next())["task"]["id"] == their_task["task"]["id"]


async def test_signing_in_on_a_socket_does_not_change_who_it_belongs_to(socket: Socket) -> None:
    sign_up = """mutation { signUp(input: {email: "%s@example.com", password: "correct horse", name: "Eve"}) {
      workspace { owner { name } } errors { code } } }"""
    before = await (await socket.subscribe(VIEWER)).next()

    signed_up = await (await socket.subscribe(sign_up % before["workspace"]["id"].lower())).next()
    after = await (await socket.subscribe(VIEWER)).next()

    assert signed_up == {"workspace": {"owner": {"name": "Eve"}}, "errors": []}
    assert after == before
