"""One execution of an event for all who asked the same of it, and only for them."""

import asyncio
import json
from collections.abc import AsyncIterator, Callable, Collection
from contextlib import AsyncExitStack
from typing import Any, NoReturn
from uuid import UUID

import pytest

from app.graphql import live
from app.principal import Permission, Role
from app.services.account import api_keys
from app.services.account.sign_up import add_api_key
from app.services.task import queries
from tests.integration.conftest import Tenant
from tests.integration.engine.desk import Desk
from tests.integration.graphql_client import Socket, Stream, connect
from tests.integration.streams.watching import public

PLAIN = "subscription($after: String) { taskEvents(after: $after) { seq kind cursor task { id status } } }"
LOOKED_UP = """subscription($after: String) { taskEvents(after: $after) {
  kind cursor task { id partialOutput template { number } } } }"""
ALIASED = """subscription { happened: taskEvents { what: kind ...where task { key: id } } }
fragment where on TaskEvent { place: cursor task { ... on Task { state: status } } }"""
OPTIONAL = """subscription($wide: Boolean!) { taskEvents { kind task { id ...more @include(if: $wide) } } }
fragment more on Task { status tags }"""
PAGED = "subscription($n: Int) { taskEvents { kind task { id attempts(first: $n) { nodes { number } } } } }"
TWO = """subscription One { taskEvents { kind task { id } } }
subscription Two { taskEvents { seq task { id } } }"""

Connect = Callable[..., Any]


@pytest.fixture
def executions(monkeypatch: pytest.MonkeyPatch) -> list[Any]:
    """Every event for which an execution was begun."""
    begun: list[Any] = []
    begin = live._Sharing._begun

    def count(self: live._Sharing, event: Any) -> Any:
        begun.append(event)
        return begin(self, event)

    monkeypatch.setattr(live._Sharing, "_begun", count)
    return begun


@pytest.fixture
async def another_socket(api: str, desk: Desk) -> AsyncIterator[Connect]:
    """Opens a socket in the workspace, with a key of this role and these scopes."""
    async with AsyncExitStack() as stack:

        async def opened(role: Role = Role.OWNER, scopes: frozenset[Permission] | None = None) -> Socket:
            key = api_keys.generate()
            async with desk.unit_of_work(desk.tenant.principal) as uow:
                creator = desk.tenant.account.user_id
                await add_api_key(uow, creator_id=creator, name="another", key=key, role=role)
            narrowed = "UPDATE api_keys SET scopes = :scopes WHERE secret_hash = :hash"
            if scopes is not None:
                await desk.change(narrowed, scopes=sorted(scopes), hash=api_keys.hash_of(key.secret))
            return await stack.enter_async_context(connect(api, {"authorization": f"Bearer {key.secret}"}))

        yield opened


async def opened(socket: Socket, query: str = PLAIN, **variables: Any) -> Stream:
    """A subscription that has had its opening event."""
    stream = await socket.subscribe(query, **variables)
    await stream.next()
    return stream


@pytest.mark.parametrize("query", [PLAIN, LOOKED_UP, ALIASED])
async def test_who_asks_the_same_gets_one_execution(
    desk: Desk, another_socket: Connect, executions: list[Any], query: str
) -> None:
    first = await another_socket()
    streams = [await opened(socket, query) for socket in (first, first, await another_socket())]
    executions.clear()

    (task_id,) = await desk.accept()
    events = [await stream.next() for stream in streams]

    assert len(executions) == 1
    assert events[0] == events[1] == events[2]
    assert public(task_id) in (events[0]["task"].get("id"), events[0]["task"].get("key"))


async def test_where_a_client_resumed_does_not_matter(
    desk: Desk, another_socket: Connect, executions: list[Any]
) -> None:
    fresh = await opened(await another_socket())
    await desk.accept()
    known = await fresh.next()
    resumed = await (await another_socket()).subscribe(PLAIN, after=known["cursor"])
    # Until it has caught up and both are live.
    await desk.accept()
    assert await resumed.next() == await fresh.next()
    executions.clear()

    await desk.accept(3)
    pairs = [(await fresh.next(), await resumed.next()) for _ in range(3)]

    assert all(one == other for one, other in pairs)
    assert len(executions) == 3


async def test_aliases_and_fragments_come_out_as_they_were_asked(desk: Desk, another_socket: Connect) -> None:
    stream, plain = await opened(await another_socket(), ALIASED), await opened(await another_socket())
    task_id = await desk.accept_one()
    told = await plain.next()

    message = (await stream.message())["payload"]

    event = {"what": "CREATED", "place": told["cursor"], "task": {"state": "QUEUED", "key": public(task_id)}}
    assert message == {"data": {"happened": event}}


async def test_another_document_gets_its_own(desk: Desk, another_socket: Connect, executions: list[Any]) -> None:
    socket = await another_socket()
    streams = [await opened(socket, query) for query in (PLAIN, LOOKED_UP, PLAIN + " ", ALIASED)]
    executions.clear()

    await desk.accept()
    events = [await stream.next() for stream in streams]

    assert len(executions) == 4
    assert [set(event) for event in events] == [
        {"seq", "kind", "cursor", "task"},
        {"kind", "cursor", "task"},
        {"seq", "kind", "cursor", "task"},
        {"what", "place", "task"},
    ]


async def test_a_variable_below_the_root_makes_a_difference(
    desk: Desk, another_socket: Connect, executions: list[Any]
) -> None:
    streams = [await opened(await another_socket(), OPTIONAL, wide=wide) for wide in (True, False, True)]
    executions.clear()

    await desk.accept()
    wide, narrow, again = [(await stream.next())["task"] for stream in streams]

    assert (set(wide), set(narrow), again) == ({"id", "status", "tags"}, {"id"}, wide)
    assert len(executions) == 2


async def test_a_variable_in_an_argument_makes_a_difference(
    desk: Desk, another_socket: Connect, executions: list[Any]
) -> None:
    task_id = await desk.accept_one()
    await desk.claim()
    await desk.change(
        """INSERT INTO task_attempts (task_id, number, workspace_id, status, started_at)
        SELECT task_id, 2, workspace_id, 'RUNNING', now() FROM task_attempts WHERE task_id = :id""",
        id=task_id,
    )
    streams = [await opened(await another_socket(), PAGED, n=n) for n in (1, 2, 2)]
    executions.clear()
    await desk.change("UPDATE tasks SET cancel_requested_at = now() - interval '1 minute' WHERE id = :id", id=task_id)
    await desk.settle()

    pages = [(await stream.next())["task"]["attempts"]["nodes"] for stream in streams]

    assert [[attempt["number"] for attempt in page] for page in pages] == [[1], [1, 2], [1, 2]]
    assert len(executions) == 2


async def test_operations_of_one_document_are_different(
    desk: Desk, another_socket: Connect, executions: list[Any]
) -> None:
    socket = await another_socket()
    streams = [await operation(socket, name) for name in ("One", "Two", "One")]
    for stream in streams:
        await stream.next()
    executions.clear()

    await desk.accept()
    one, two, again = [await stream.next() for stream in streams]

    assert (set(one), set(two), again) == ({"kind", "task"}, {"seq", "task"}, one)
    assert len(executions) == 2


async def operation(socket: Socket, name: str) -> Stream:
    """One of the operations of a document that has two."""
    number = f"{name}-{len(socket._queues)}"
    queue = socket._queues[number] = asyncio.Queue()
    payload = {"query": TWO, "operationName": name}
    await socket.connection.send(json.dumps({"id": number, "type": "subscribe", "payload": payload}))
    return Stream(socket, number, queue)


@pytest.mark.parametrize(
    ("role", "scopes"), [(Role.VIEWER, None), (Role.OWNER, frozenset({Permission.TASK_READ}))], ids=["role", "scopes"]
)
async def test_who_may_see_something_else_gets_their_own(
    desk: Desk, another_socket: Connect, executions: list[Any], role: Role, scopes: frozenset[Permission] | None
) -> None:
    streams = [await opened(await another_socket()), await opened(await another_socket(role, scopes))]
    executions.clear()

    await desk.accept()
    one, other = [await stream.next() for stream in streams]

    assert one == other
    assert len(executions) == 2


async def test_another_workspace_sees_nothing_of_it(
    api: str, desk: Desk, another_socket: Connect, make_tenant: Callable[[], Any]
) -> None:
    stranger: Tenant = await make_tenant()
    async with connect(api, {"authorization": f"Bearer {stranger.api_key}"}) as socket:
        foreign, own = await opened(socket), await opened(await another_socket())
        await desk.accept()
        await own.next()

        with pytest.raises(TimeoutError):
            await foreign.message(1.5)


class Gate:
    """Holds what is looked up for an event until it is opened."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.reached = asyncio.Event()
        self.open = asyncio.Event()
        finished = live._Sharing._finished

        async def wait(sharing: live._Sharing, begun: Any) -> Any:
            self.reached.set()
            await self.open.wait()
            return await finished(sharing, begun)

        monkeypatch.setattr(live._Sharing, "_finished", wait)


@pytest.mark.parametrize("abruptly", [False, True])
async def test_who_leaves_in_the_middle_takes_nothing_from_the_others(
    desk: Desk, another_socket: Connect, executions: list[Any], monkeypatch: pytest.MonkeyPatch, abruptly: bool
) -> None:
    leaving, staying = await another_socket(), await another_socket()
    first = await opened(leaving, LOOKED_UP)
    others = [await opened(staying, LOOKED_UP) for _ in range(2)]
    executions.clear()
    gate = Gate(monkeypatch)
    task_id = await desk.accept_one()
    await gate.reached.wait()

    if abruptly:
        leaving.connection.transport.abort()
    else:
        await first.stop()
    # The service hears of it before the answer is there.
    await asyncio.sleep(0.3)
    gate.open.set()
    events = [await stream.next() for stream in others]

    assert [event["task"]["id"] for event in events] == [public(task_id)] * 2
    assert len(executions) == 1


async def test_an_error_is_told_to_each_with_their_own_request_id(
    desk: Desk, another_socket: Connect, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(tasks: Collection[UUID]) -> NoReturn:
        raise ValueError("a secret of the database")

    monkeypatch.setattr(queries, "partial_outputs", broken)
    task_id = await desk.accept_one()
    streams = [await opened(await another_socket(), LOOKED_UP) for _ in range(3)]
    await desk.claim()
    await desk.unit_of_work.wake_watchers([desk.tenant.account.workspace_id])

    payloads = [(await stream.message())["payload"] for stream in streams]

    assert [payload["data"]["taskEvents"]["task"]["id"] for payload in payloads] == [public(task_id)] * 3
    errors = [error for payload in payloads for error in payload["errors"]]
    assert [error["extensions"]["code"] for error in errors] == ["INTERNAL"] * 3
    assert len({error["extensions"]["requestId"] for error in errors}) == 3
    assert "secret" not in str(payloads)
