"""Clients of own connections are shared, few, replaced when a connection changes, and closed after their last use."""

import asyncio
from collections.abc import AsyncGenerator
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app import ids
from app.db.vault import Vault
from app.providers.chat import ChatRequest, Finished, TextDelta
from app.providers.errors import ProviderError
from app.providers.own import Access, Reach
from app.services.provider import clients
from app.services.provider.clients import Found, OwnProviders
from tests.integration.conftest import MakeTenant, Tenant
from tests.integration.graphql_client import Gql
from tests.integration.provider.conftest import CREATE, DELETE, KEY, UPDATE

REACH = Reach(None, None, allow_private=False)


class Client:
    name = "ours"

    def __init__(self, access: Access) -> None:
        self.access = access
        self.closed = 0

    def stream(self, request: ChatRequest) -> AsyncGenerator[TextDelta | Finished, None]:
        raise NotImplementedError

    async def aclose(self) -> None:
        # As a real one: not at once.
        await asyncio.sleep(0)
        self.closed += 1


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[Client]:
    """Every client that was opened, the first first."""
    found: list[Client] = []

    def open_one(access: Access, reach: Reach) -> Client:
        found.append(Client(access))
        return found[-1]

    monkeypatch.setattr(clients, "open_access", open_one)
    return found


async def connect(gql: Gql, **wanted: Any) -> UUID:
    values = {"provider": "OPENAI", "name": "ours", "apiKey": KEY} | wanted
    made = (await gql(CREATE, input=values))["createProviderConnection"]["connection"]
    key = ids.decode(ids.PROVIDER_CONNECTION, made["id"])
    assert key is not None
    return key


async def found_by(own: OwnProviders, tenant: Tenant, key: UUID) -> Found:
    found = await own.find(tenant.account.workspace_id, key)
    assert found is not None
    return found


async def test_one_client_serves_all_who_come_at_once(
    gql: Gql, tenant: Tenant, engine: AsyncEngine, vault: Vault, opened: list[Client]
) -> None:
    own, key = OwnProviders(engine, vault, REACH), await connect(gql)

    async def use() -> None:
        async with own.use(await found_by(own, tenant, key)) as provider:
            assert provider is opened[0]

    await asyncio.gather(*(use() for _ in range(10)))
    assert (len(opened), opened[0].access.api_key, opened[0].closed) == (1, KEY, 0)

    await own.aclose()
    assert opened[0].closed == 1


async def test_changed_connection_gets_another_and_the_old_one_is_closed_after_its_last_use(
    gql: Gql, tenant: Tenant, engine: AsyncEngine, vault: Vault, opened: list[Client]
) -> None:
    own, key = OwnProviders(engine, vault, REACH), await connect(gql)
    async with own.use(await found_by(own, tenant, key)):
        change = {"id": ids.encode(ids.PROVIDER_CONNECTION, key), "apiKey": "another-key-0123456789"}
        await gql(UPDATE, input=change)
        async with own.use(await found_by(own, tenant, key)):
            assert [client.access.api_key for client in opened] == [KEY, "another-key-0123456789"]
        assert [client.closed for client in opened] == [0, 0]

    assert [client.closed for client in opened] == [1, 0]


async def test_beyond_so_many_the_one_that_was_used_longest_ago_goes(
    gql: Gql, tenant: Tenant, engine: AsyncEngine, vault: Vault, opened: list[Client]
) -> None:
    own = OwnProviders(engine, vault, REACH, most=2)
    keys = [await connect(gql, name=f"key-{number}") for number in range(3)]

    for number in (0, 1, 0, 2):
        async with own.use(await found_by(own, tenant, keys[number])):
            pass

    assert [client.closed for client in opened] == [0, 1, 0]


async def test_deleted_connection_is_not_found_and_its_client_is_closed(
    gql: Gql, tenant: Tenant, engine: AsyncEngine, vault: Vault, opened: list[Client]
) -> None:
    own, key = OwnProviders(engine, vault, REACH), await connect(gql)
    async with own.use(await found_by(own, tenant, key)):
        pass
    await gql(DELETE, id=ids.encode(ids.PROVIDER_CONNECTION, key))

    assert await own.find(tenant.account.workspace_id, key) is None
    assert [client.closed for client in opened] == [1]


async def test_nobody_finds_another_workspaces(
    gql: Gql, engine: AsyncEngine, vault: Vault, make_tenant: MakeTenant, opened: list[Client]
) -> None:
    own, key = OwnProviders(engine, vault, REACH), await connect(gql)
    stranger = await make_tenant()

    assert await own.find(stranger.account.workspace_id, key) is None
    assert opened == []


async def test_key_that_this_process_cannot_open_is_a_failure_of_that_connection(
    gql: Gql, tenant: Tenant, engine: AsyncEngine, opened: list[Client]
) -> None:
    own, key = OwnProviders(engine, Vault([bytes(range(7, 39))]), REACH), await connect(gql)

    with pytest.raises(ProviderError) as caught:
        await own.find(tenant.account.workspace_id, key)

    assert (caught.value.reason, caught.value.moves_on, caught.value.retryable) == ("key_unreadable", True, False)
    assert opened == []
