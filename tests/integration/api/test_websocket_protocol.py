"""graphql-transport-ws: what closes a socket, with which code."""

import asyncio
import json
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from typing import Any

import pytest
import websockets

from app.graphql import websocket
from app.services.account.tokens import TokenSigner
from app.settings import Settings
from tests.integration.api.conftest import OwnApi
from tests.integration.api.documents import TASK_EVENTS
from tests.integration.conftest import Tenant

Connection = websockets.ClientConnection
Open = Callable[[], Awaitable[Connection]]
SUBSCRIBE = {"id": "1", "type": "subscribe", "payload": {"query": TASK_EVENTS}}


@asynccontextmanager
async def connection_to(url: str, protocol: str = "graphql-transport-ws") -> AsyncIterator[Connection]:
    address = url.replace("http", "ws", 1) + "/graphql"
    async with websockets.connect(address, subprotocols=[websockets.Subprotocol(protocol)]) as opened:
        yield opened


@pytest.fixture
async def plain(api: str) -> AsyncIterator[Connection]:
    """Open, and nothing said yet."""
    async with connection_to(api) as opened:
        yield opened


@pytest.fixture
async def greeted(plain: Connection, tenant: Tenant) -> Connection:
    """After connection_ack."""
    await say(plain, {"type": "connection_init", "payload": {"authorization": f"Bearer {tenant.api_key}"}})
    assert (await hear(plain))["type"] == "connection_ack"
    return plain


async def say(connection: Connection, message: object) -> None:
    await connection.send(message if isinstance(message, str | bytes) else json.dumps(message))


async def hear(connection: Connection) -> dict[str, Any]:
    async with asyncio.timeout(10):
        message: dict[str, Any] = json.loads(await connection.recv())
    return message


async def closed(connection: Connection) -> int | None:
    """The code that the server closes with, whatever it says before."""
    async with asyncio.timeout(10):
        await connection.wait_closed()
    return connection.close_code


async def test_subscribe_before_init_is_unauthorized(plain: Connection) -> None:
    await say(plain, SUBSCRIBE)

    assert await closed(plain) == 4401


@pytest.mark.parametrize(
    "payload",
    [
        {"authorization": "Bearer wrong"},
        {"authorization": "garbage"},
        {"Authorization": "Bearer bzq_live_wrong"},
    ],
)
async def test_wrong_login_is_forbidden(plain: Connection, payload: dict[str, Any]) -> None:
    await say(plain, {"type": "connection_init", "payload": payload})

    assert await closed(plain) == 4403


async def test_expired_token_and_foreign_workspace_are_forbidden(
    api: str, settings: Settings, make_tenant: Callable[[], Awaitable[Tenant]]
) -> None:
    one, other = await make_tenant(), await make_tenant()
    expired = TokenSigner(settings.token_key, -1).issue(one.account.user_id).text
    for payload in (
        {"authorization": f"Bearer {expired}"},
        {"authorization": f"Bearer {one.api_key}", "workspaceId": other.workspace_id},
    ):
        async with connection_to(api) as opened:
            await say(opened, {"type": "connection_init", "payload": payload})
            assert await closed(opened) == 4403


@pytest.mark.parametrize(
    "frame",
    [
        "not json",
        "",
        "[]",
        '[{"type": "ping"}]',
        '"ping"',
        "null",
        "{}",
        '{"type": 7}',
        '{"type": "unheard of"}',
        b'{"type": "ping"}',
        "[" * 20_000,
        '{"type": "ping", "payload": ' + "9" * 5_000 + "}",
        '{"type": "ping", "payload": "\\ud800"}',
        '{"type": "subscribe"}',
        '{"type": "subscribe", "id": 7, "payload": {"query": "{ viewer { role } }"}}',
        '{"type": "subscribe", "id": "1", "payload": {}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": ""}}',
        '{"type": "subscribe", "id": "1", "payload": {"query": "{ viewer { role } }", "variables": []}}',
        '{"type": "complete"}',
        '{"type": "complete", "id": {}}',
    ],
    ids=lambda frame: repr(frame[:40]),
)
async def test_frame_that_is_no_message_closes_the_socket(greeted: Connection, frame: str | bytes) -> None:
    await say(greeted, frame)

    assert await closed(greeted) == 4400


@pytest.mark.parametrize("payload", [[], "text", 7])
async def test_init_with_a_payload_that_is_no_object_closes_the_socket(plain: Connection, payload: object) -> None:
    await say(plain, {"type": "connection_init", "payload": payload})

    assert await closed(plain) == 4400


async def test_second_init_closes_the_socket(greeted: Connection) -> None:
    await say(greeted, {"type": "connection_init"})

    assert await closed(greeted) == 4429


async def test_id_in_use_closes_the_socket(greeted: Connection) -> None:
    await say(greeted, SUBSCRIBE)
    assert (await hear(greeted))["type"] == "next"

    await say(greeted, SUBSCRIBE)

    assert await closed(greeted) == 4409


async def test_silence_closes_the_socket(own_api: OwnApi, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(websocket, "CONNECTION_INIT_SECONDS", 0.05)

    async with own_api() as url, connection_to(url) as opened:
        assert await closed(opened) == 4408


async def test_init_with_null_payload_is_anonymous(plain: Connection) -> None:
    await say(plain, {"type": "connection_init", "payload": None})
    assert (await hear(plain))["type"] == "connection_ack"

    await say(plain, SUBSCRIBE)
    message = await hear(plain)

    assert message["type"] == "error"
    assert message["payload"][0]["extensions"]["code"] == "UNAUTHENTICATED"


async def test_ping_is_answered_before_and_after_init(plain: Connection) -> None:
    await say(plain, {"type": "ping"})
    assert await hear(plain) == {"type": "pong"}

    await say(plain, {"type": "connection_init"})
    await say(plain, {"type": "ping", "payload": {"a": 1}})

    assert [(await hear(plain))["type"] for _ in range(2)] == ["connection_ack", "pong"]


async def test_other_protocols_are_not_spoken(api: str) -> None:
    async with connection_to(api, protocol="graphql-ws") as opened:
        assert await closed(opened) == 4406
