"""What a socket's caller may do is looked at again while it is open."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import create_async_engine

from app.db.engine import sqlalchemy_url
from app.services.account.tokens import TokenSigner
from app.settings import Settings
from tests.integration.api.documents import TASK_EVENTS
from tests.integration.conftest import Tenant
from tests.integration.graphql_client import Socket, connect

CREATE = 'mutation { createTask(input: {type: "note.write", input: {}}) { task { id } errors { code } } }'
OpenSocket = Callable[[], AbstractAsyncContextManager[Socket]]
ChangeAsOwner = Callable[..., object]


@pytest.fixture
def as_user(
    api: str, service_settings: Settings, tenant: Tenant
) -> Callable[[int], AbstractAsyncContextManager[Socket]]:
    """A socket of the tenant's owner, whose token lives for so many seconds."""

    @asynccontextmanager
    async def open_(seconds: int) -> AsyncIterator[Socket]:
        token = TokenSigner(service_settings.token_key, seconds).issue(tenant.account.user_id)
        async with connect(api, {"authorization": f"Bearer {token.text}"}) as socket:
            yield socket

    return open_


@pytest.fixture
async def change(settings: Settings) -> AsyncIterator[Callable[..., object]]:
    engine = create_async_engine(sqlalchemy_url(settings.owner_database_url))

    async def run(sql: str, **values: object) -> None:
        async with engine.begin() as connection:
            await connection.execute(text(sql), values)

    yield run
    await engine.dispose()


async def closed(socket: Socket) -> tuple[int | None, str | None]:
    """Code and reason that the server closes with."""
    async with asyncio.timeout(15):
        await socket.connection.wait_closed()
    return socket.connection.close_code, socket.connection.close_reason


async def test_a_token_that_runs_out_closes_the_socket(
    as_user: Callable[[int], AbstractAsyncContextManager[Socket]],
) -> None:
    async with as_user(2) as socket:
        await (await socket.subscribe(TASK_EVENTS)).next()
        assert await closed(socket) == (4403, "The access token has expired.")


async def test_a_member_who_was_removed_is_let_go(
    as_user: Callable[[int], AbstractAsyncContextManager[Socket]], change: ChangeAsOwner, tenant: Tenant
) -> None:
    async with as_user(600) as socket:
        await (await socket.subscribe(TASK_EVENTS)).next()
        await change("DELETE FROM memberships WHERE user_id = :id", id=tenant.account.user_id)  # type: ignore[misc]
        assert await closed(socket) == (4403, "You are not a member of this workspace.")


async def test_a_revoked_key_closes_its_sockets_and_no_others(
    api: str, socket: Socket, change: ChangeAsOwner, tenant: Tenant, make_tenant: Callable[..., object]
) -> None:
    other: Tenant = await make_tenant()  # type: ignore[misc]
    async with connect(api, {"authorization": f"Bearer {other.api_key}"}) as unharmed:
        for opened in (socket, unharmed):
            await (await opened.subscribe(TASK_EVENTS)).next()
        await change(  # type: ignore[misc]
            "UPDATE api_keys SET revoked_at = now() WHERE workspace_id = :id", id=tenant.account.workspace_id
        )

        assert await closed(socket) == (4403, "The API key is not valid: wrong, revoked or expired.")
        stream = await unharmed.subscribe("query { viewer { role } }")
        assert (await stream.next())["role"] == "OWNER"


async def test_another_role_counts_on_a_socket_that_is_open(
    as_user: Callable[[int], AbstractAsyncContextManager[Socket]], change: ChangeAsOwner, tenant: Tenant
) -> None:
    async with as_user(600) as socket:
        watching = await socket.subscribe(TASK_EVENTS)
        await watching.next()
        assert (await (await socket.subscribe(CREATE)).next())["errors"] == []
        await watching.next()

        await change("UPDATE memberships SET role = 'VIEWER' WHERE user_id = :id", id=tenant.account.user_id)  # type: ignore[misc]

        async with asyncio.timeout(15):
            while not (errors := (await (await socket.subscribe(CREATE)).next())["errors"]):
                await watching.next()
        assert errors == [{"code": "FORBIDDEN"}]
        with pytest.raises(TimeoutError):
            await watching.message(seconds=0.3)
