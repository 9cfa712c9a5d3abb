"""A whole service in the test's process: API on a real port, a worker on the same loop, vendors' fakes."""

import asyncio
import secrets
from collections.abc import AsyncIterator, Awaitable, Callable, Iterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest
import uvicorn
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine
from starlette.types import ASGIApp
from strawberry.types.execution import ExecutionResult

from app import ids
from app.actors.runner import Runner
from app.actors.work import work
from app.db.engine import create_engine
from app.db.hot import Hot
from app.db.vault import Vault
from app.embedded.port import free_port
from app.events.client import redis_client
from app.events.hub import Hub
from app.fakes.app import create_app as create_fakes
from app.fakes.faults import FaultQueue
from app.fakes.replicate import ReplicateFake
from app.graphql.planned import PlannedSchema, Request
from app.integrations.console import NoMailer
from app.integrations.delivery import MailDelivery
from app.main import build_app
from app.principal import Principal, Role
from app.queue.announcer import Announcer
from app.queue.broker import create_broker
from app.services.account import api_keys
from app.services.account.sign_up import NewAccount, SignUp, add_api_key, sign_up
from app.settings import Settings
from app.unit_of_work import UnitOfWorkFactory
from tests.conftest import FAKE_KEY
from tests.integration.differential import Differential
from tests.integration.graphql_client import Gql, Socket, connect


@asynccontextmanager
async def serving(app: ASGIApp) -> AsyncIterator[str]:
    """The app on a real loopback port, on this loop. Yields its http address."""
    port = free_port()
    config = uvicorn.Config(app, host="127.0.0.1", port=port, log_config=None, ws="websockets-sansio", lifespan="on")
    server = uvicorn.Server(config)
    server.install_signal_handlers = lambda: None  # type: ignore[attr-defined,method-assign]
    running = asyncio.create_task(server.serve())
    while not server.started:
        await asyncio.sleep(0.01)
        assert not running.done(), running.exception()
    try:
        yield f"http://127.0.0.1:{port}"
    finally:
        server.should_exit = True
        await running


@pytest.fixture(autouse=True)
def differential(monkeypatch: pytest.MonkeyPatch) -> Iterator[Differential]:
    """Plans give what graphql-core gives, for every query of every test."""
    checks = Differential()

    async def by_plan(schema: PlannedSchema, request: Request) -> ExecutionResult | None:
        return await checks.by_plan(schema, request)

    monkeypatch.setattr(PlannedSchema, "by_plan", by_plan)
    yield checks
    assert not checks.differences, "\n\n".join(checks.differences)


@pytest.fixture
def executed_once(differential: Differential) -> Iterator[None]:
    """For tests that count what an execution does."""
    with differential.paused():
        yield


@dataclass(frozen=True, slots=True)
class Fakes:
    """The vendors' fakes; `faults` takes orders, which are gone after each test."""

    url: str
    faults: FaultQueue
    journal: Any
    replicate: ReplicateFake


@pytest.fixture(scope="session")
async def fakes_server() -> AsyncIterator[Fakes]:
    app = create_fakes()
    async with serving(app) as url:
        yield Fakes(url, app.state.faults, app.state.journal, app.state.replicate)


@pytest.fixture
async def fakes(fakes_server: Fakes, settings: Settings) -> AsyncIterator[Fakes]:
    yield fakes_server
    fakes_server.faults.clear()
    # What a test has made fail is well again for the next.
    redis = redis_client(settings.redis)
    await redis.delete("bizq:circuits")
    await redis.aclose()


@pytest.fixture(scope="session")
async def service_settings(settings: Settings, fakes_server: Fakes) -> Settings:
    """With both vendors configured, at their fakes."""
    return settings.model_copy(
        update={
            "bizq_drain_seconds": 5.0,
            "openai_base_url": f"{fakes_server.url}/openai/v1",
            "anthropic_api_key": SecretStr(FAKE_KEY),
            "anthropic_base_url": f"{fakes_server.url}/anthropic",
        }
    )


@pytest.fixture(scope="session")
async def engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(settings)
    yield engine
    await engine.dispose()


@pytest.fixture(scope="session")
async def hot(settings: Settings) -> AsyncIterator[Hot]:
    hot = Hot(settings)
    await hot.start()
    yield hot
    await hot.close()


@pytest.fixture(scope="session")
async def unit_of_work(settings: Settings, engine: AsyncEngine) -> AsyncIterator[UnitOfWorkFactory]:
    hub, announcer = Hub(settings.redis), Announcer(create_broker(settings.redis))
    await hub.start()
    yield UnitOfWorkFactory(engine, hub, announcer, MailDelivery(NoMailer()))
    await announcer.close()
    await hub.stop()


@pytest.fixture(scope="session")
async def api(service_settings: Settings) -> AsyncIterator[str]:
    """A running API; yields its http address."""
    async with serving(build_app(service_settings)) as url:
        yield url


@pytest.fixture
async def worker(service_settings: Settings) -> AsyncIterator[Runner]:
    """A worker on this loop, without Dramatiq's threads."""
    async with work(service_settings) as runner:
        yield runner


@dataclass(frozen=True, slots=True)
class Tenant:
    """A workspace of a test, with its owner's principal and a key."""

    account: NewAccount
    principal: Principal
    api_key: str

    @property
    def workspace_id(self) -> str:
        return ids.encode(ids.WORKSPACE, self.account.workspace_id)


PLENTY = 1_000_000_000
MakeTenant = Callable[..., Awaitable[Tenant]]


@pytest.fixture(scope="session")
def vault(settings: Settings) -> Vault:
    return Vault(settings.encryption_keys)


@pytest.fixture
def make_tenant(unit_of_work: UnitOfWorkFactory, vault: Vault) -> MakeTenant:
    async def make(role: Role = Role.OWNER, *, credits_micros: int = PLENTY) -> Tenant:
        email = f"{secrets.token_hex(8)}@example.com"
        wanted = SignUp(email, "correct horse battery", "Test", "Test workspace", credits_micros=credits_micros)
        account = await sign_up(unit_of_work, vault, wanted)
        key = api_keys.generate()
        async with unit_of_work(account.principal) as uow:
            await add_api_key(uow, creator_id=account.user_id, name="test", key=key, role=role)
        return Tenant(account, account.principal, key.secret)

    return make


@pytest.fixture
async def tenant(make_tenant: MakeTenant) -> Tenant:
    return await make_tenant()


@pytest.fixture(scope="session")
async def http() -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(timeout=30) as client:
        yield client


@pytest.fixture
def gql_as(api: str, http: httpx.AsyncClient) -> Callable[[Tenant | None], Gql]:
    """A client of the API in a tenant's name; None is anonymous."""
    return lambda tenant: Gql(http, api, tenant.api_key if tenant is not None else None)


@pytest.fixture
def gql(gql_as: Callable[[Tenant | None], Gql], tenant: Tenant) -> Gql:
    return gql_as(tenant)


@pytest.fixture
async def socket(api: str, tenant: Tenant) -> AsyncIterator[Socket]:
    async with connect(api, {"authorization": f"Bearer {tenant.api_key}"}) as opened:
        yield opened
