"""Clients of workspaces' own connections: opened when they are used first, kept while they are what they were."""

from collections import OrderedDict
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

import structlog
from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.reader import Reader
from app.db.sealed import PROVIDER_KEY
from app.db.vault import Unreadable, Vault
from app.models import ProviderKind
from app.principal import Principal
from app.providers.chat import ChatProvider
from app.providers.errors import ProviderError
from app.providers.own import Access, Reach, open_access
from app.services.provider.queries import TABLE

log = structlog.get_logger(__name__)
# Each keeps a few sockets at most; who is beyond that is opened again, which costs a handshake.
MOST_CLIENTS = 100


@dataclass(frozen=True, slots=True)
class Found:
    """A connection as it is now, its key opened. `version` changes with it."""

    id: UUID
    version: datetime
    access: Access
    model: str | None
    enabled: bool


@dataclass(slots=True)
class _Client:
    provider: ChatProvider
    version: datetime
    users: int = 0
    retired: bool = False


class OwnProviders:
    """One a process."""

    def __init__(self, engine: AsyncEngine, vault: Vault, reach: Reach, most: int = MOST_CLIENTS) -> None:
        self._engine = engine
        self._vault = vault
        self._reach = reach
        self._most = most
        self._clients: OrderedDict[UUID, _Client] = OrderedDict()

    async def find(self, workspace_id: UUID, connection_id: UUID) -> Found | None:
        """None for one that there is not, in this workspace. Raises ProviderError for a key that does not open."""
        mine = (TABLE.c.id == connection_id) & (TABLE.c.workspace_id == workspace_id)
        reader = Reader(self._engine, Principal.system(workspace_id), keep=False)
        row = await reader.row(select(*TABLE.c).where(mine))
        if row is None:
            await self._retire(connection_id)
            return None
        key: str | None = None
        if row["api_key"] is not None:
            try:
                key = self._vault.open(PROVIDER_KEY.place, connection_id, row["api_key"])
            except Unreadable as error:
                log.error("cannot open the key of a connection", connection_id=str(connection_id), reason=str(error))
                raise ProviderError(row["name"], "key_unreadable", retryable=False) from None
        access = Access(ProviderKind(row["provider"]), row["name"], key, row["base_url"])
        return Found(connection_id, row["changed_at"], access, row["model"], row["enabled"])

    @asynccontextmanager
    async def use(self, found: Found) -> AsyncIterator[ChatProvider]:
        """A client that is not closed meanwhile. Raises ProviderError where its address may not be called."""
        client, replaced = self._take(found)
        try:
            for each in replaced:
                await _close_unused(each)
            yield client.provider
        finally:
            client.users -= 1
            await _close_unused(client)

    async def aclose(self) -> None:
        """When nobody uses any of them."""
        while self._clients:
            await self._retire(next(iter(self._clients)))

    def _take(self, found: Found) -> tuple[_Client, list[_Client]]:
        """The client, held for one more, and those that have no place any more. Waits for nothing, so that nobody can
        close it before it is held."""
        gone = []
        client = self._clients.get(found.id)
        if client is None or client.version != found.version:
            gone += [client] if client is not None else []
            client = self._clients[found.id] = _Client(open_access(found.access, self._reach), found.version)
        self._clients.move_to_end(found.id)
        while len(self._clients) > self._most:
            gone.append(self._clients.popitem(last=False)[1])
        for each in gone:
            each.retired = True
        client.users += 1
        return client, gone

    async def _retire(self, connection_id: UUID) -> None:
        client = self._clients.pop(connection_id, None)
        if client is not None:
            client.retired = True
            await _close_unused(client)


async def _close_unused(client: _Client) -> None:
    if client.retired and not client.users:
        await client.provider.aclose()
