from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.actors.runner import Runner
from app.actors.scheduler import Scheduler
from app.db.engine import sqlalchemy_url
from app.db.hot import Hot
from app.db.vault import Vault
from app.events.call_slots import CallSlots
from app.events.circuits import SharedCircuits
from app.events.client import redis_client
from app.events.hub import Hub
from app.events.output import OutputLog
from app.providers.own import Reach
from app.providers.registry import Providers
from app.services.provider.clients import OwnProviders
from app.services.routing.ceilings import Ceilings
from app.services.routing.health import ModelHealth
from app.services.task.run import Toolbox
from app.settings import PROVIDERS, Settings
from app.unit_of_work import UnitOfWorkFactory
from tests.integration.conftest import MakeTenant, Tenant
from tests.integration.engine.desk import Desk
from tests.integration.engine.scripted import Scripted

_ABANDON = """UPDATE tasks SET status = 'CANCELED', lease_until = NULL
    WHERE status NOT IN ('SUCCEEDED', 'FAILED', 'CANCELED', 'EXPIRED')"""


@pytest.fixture(scope="session")
async def owner(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(sqlalchemy_url(settings.owner_database_url))
    yield engine
    await engine.dispose()


@pytest.fixture(autouse=True)
async def empty_queue(owner: AsyncEngine) -> None:
    """Claims look across workspaces: what other tests left behind is not this one's work."""
    async with owner.begin() as connection:
        await connection.execute(text(_ABANDON))


@pytest.fixture(autouse=True)
def quick_retries(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.services.task.lifecycle.BACKOFF_BASE_SECONDS", 0.02)
    monkeypatch.setattr("app.services.task.attempt.WORKER_LOST_SPREAD_SECONDS", 0.02)
    monkeypatch.setattr("app.actors.runner.LOOK_SECONDS", 0.05)
    monkeypatch.setattr("app.actors.scheduler.DUE_SECONDS", 0.05)
    monkeypatch.setattr("app.actors.scheduler.OVERDUE_SECONDS", 0.05)


MakeDesk = Callable[[], Awaitable[Desk]]


@pytest.fixture
def make_desk(
    owner: AsyncEngine, engine: AsyncEngine, hot: Hot, unit_of_work: UnitOfWorkFactory, make_tenant: MakeTenant
) -> MakeDesk:
    async def make() -> Desk:
        return Desk(owner, engine, hot, unit_of_work, await make_tenant())

    return make


@pytest.fixture
def desk(owner: AsyncEngine, engine: AsyncEngine, hot: Hot, unit_of_work: UnitOfWorkFactory, tenant: Tenant) -> Desk:
    """In the name of the same tenant as `gql` and `socket`."""
    return Desk(owner, engine, hot, unit_of_work, tenant)


WorkingWith = Callable[[Scripted], AbstractAsyncContextManager[Runner]]


@pytest.fixture
def working_with(desk: Desk, service_settings: Settings, vault: Vault) -> WorkingWith:
    @asynccontextmanager
    async def work(provider: Scripted) -> AsyncIterator[Runner]:
        redis = redis_client(service_settings.redis)
        own = OwnProviders(desk.engine, vault, Reach.of(service_settings))
        await redis.delete("bizq:circuits")
        health = ModelHealth(SharedCircuits(redis), Hub(service_settings.redis))
        ceilings = Ceilings(CallSlots(redis), {}, {})
        providers = Providers(dict.fromkeys(PROVIDERS, provider))
        tools = Toolbox(desk.hot, desk.unit_of_work, providers, OutputLog(redis), own, health, ceilings)
        runner = Runner(tools, service_settings)
        scheduler = Scheduler(desk.engine, desk.unit_of_work, service_settings, runner.look)
        runner.start()
        scheduler.start()
        try:
            yield runner
        finally:
            await runner.drain(1)
            await scheduler.stop()
            await own.aclose()
            await redis.aclose()

    return work
