"""The audit log past the service: as its owner, and as who may do anything."""

from collections.abc import AsyncIterator, Awaitable, Callable, Sequence
from typing import Any

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.db.engine import sqlalchemy_url
from app.services.audit.verify import Anchors, ChainReport, verify
from app.settings import Settings
from app.unit_of_work import UnitOfWorkFactory
from tests.conftest import Servers
from tests.integration.conftest import Tenant

Log = Callable[..., Awaitable[None]]
Tamper = Callable[..., Awaitable[None]]
Verify = Callable[..., Awaitable[ChainReport]]


@pytest.fixture
async def owner(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(sqlalchemy_url(settings.owner_database_url), poolclass=NullPool)
    yield engine
    await engine.dispose()


@pytest.fixture
def log(unit_of_work: UnitOfWorkFactory, tenant: Tenant) -> Log:
    """Adds so many entries to the tenant's log, each in a transaction of its own."""

    async def log(count: int = 1, action: str = "test.done") -> None:
        for number in range(count):
            async with unit_of_work(tenant.principal) as uow:
                uow.audit(action, "key_x", {"number": number})

    return log


@pytest.fixture
async def tamper(servers: Servers, settings: Settings, tenant: Tenant) -> AsyncIterator[Tamper]:
    """Runs SQL as a superuser whom no trigger stops; $1 is the tenant's workspace."""
    connection = await asyncpg.connect(servers.postgres.superuser_url.rpartition("/")[0] + "/bizq")
    await connection.execute("SET session_replication_role = replica")

    async def tamper(sql: str, *values: Any) -> None:
        assert not (await connection.execute(sql, tenant.account.workspace_id, *values)).endswith(" 0")

    yield tamper
    await connection.close()


@pytest.fixture
def report(owner: AsyncEngine, tenant: Tenant) -> Verify:
    """What verifying finds in the tenant's log."""

    async def report(anchors: Anchors | None = None) -> ChainReport:
        found: Sequence[ChainReport] = await verify(
            owner, tenant.account.workspace_id, anchors or {}, lambda done, total: None
        )
        (only,) = found
        return only

    return report
