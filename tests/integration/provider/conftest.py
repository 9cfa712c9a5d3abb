import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
import pytest

from app.actors.work import work
from app.main import build_app
from app.settings import Settings
from tests.integration.conftest import Tenant, serving
from tests.integration.graphql_client import Gql
from tests.integration.provider.server import ModelServer

CONNECTION = """connection {
  id name provider keyEndsWith baseUrl model contextTokens maxOutputTokens enabled }
  errors { code path message }"""
CREATE = (
    f"mutation($input: CreateProviderConnectionInput!) {{ createProviderConnection(input: $input) {{ {CONNECTION} }} }}"
)
UPDATE = (
    f"mutation($input: UpdateProviderConnectionInput!) {{ updateProviderConnection(input: $input) {{ {CONNECTION} }} }}"
)
DELETE = "mutation($id: ID!) { deleteProviderConnection(id: $id) { errors { code path } } }"
TEST = """mutation($id: ID!) { testProviderConnection(id: $id) {
  works problem reason model milliseconds errors { code path } } }"""
LIST = "{ providerConnections { id name provider keyEndsWith baseUrl model enabled } }"
CREATE_TASK = """mutation($input: CreateTaskInput!) { createTask(input: $input) {
  task { id routing { provider model connectionId reasons fallbacks } reservedMicros }
  errors { code path message } } }"""
TASK = """query($id: ID!) { task(id: $id) { status output costMicros error { code message }
  routing { provider model connectionId reasons fallbacks }
  attempts { nodes { number provider model status costMicros inputTokens outputTokens error { code } } } } }"""
KEY = "sk-own-0123456789abcdef"
NOTE = {"type": "note.write", "input": {"text": "Snow delayed the parcel to Oslo by two days."}}
ENDED = {"SUCCEEDED", "FAILED", "CANCELED", "EXPIRED"}


@dataclass(frozen=True, slots=True)
class Company:
    """A tenant of an installation that may call its workspaces' private endpoints."""

    tenant: Tenant
    gql: Gql

    async def connect(self, **wanted: Any) -> Any:
        """A new connection."""
        created = (await self.gql(CREATE, input=wanted))["createProviderConnection"]
        assert created["errors"] == []
        return created["connection"]

    async def submit(self, **wanted: Any) -> Any:
        created = (await self.gql(CREATE_TASK, input=NOTE | wanted))["createTask"]
        assert created["errors"] == []
        return created["task"]

    async def ended(self, task_id: str) -> Any:
        async with asyncio.timeout(30):
            while (task := (await self.gql(TASK, id=task_id))["task"])["status"] not in ENDED:  # noqa: ASYNC110
                await asyncio.sleep(0.05)
        return task | {"attempts": task["attempts"]["nodes"]}


@dataclass(frozen=True, slots=True)
class Site:
    """An API that is being served, and a worker to start beside it."""

    url: str
    settings: Settings

    @asynccontextmanager
    async def working(self) -> AsyncIterator[None]:
        async with work(self.settings):
            yield


Install = Callable[..., AbstractAsyncContextManager[Site]]
MakeCompany = Callable[[Site], Awaitable[Company]]


@pytest.fixture
def install(service_settings: Settings) -> Install:
    """An installation that calls private endpoints, unless it is changed."""

    @asynccontextmanager
    async def start(**changes: Any) -> AsyncIterator[Site]:
        settings = service_settings.model_copy(update={"bizq_allow_private_endpoints": True} | changes)
        async with serving(build_app(settings)) as url:
            yield Site(url, settings)

    return start


@pytest.fixture
async def site(install: Install) -> AsyncIterator[Site]:
    async with install() as started:
        yield started


@pytest.fixture
def make_company(make_tenant: Callable[[], Awaitable[Tenant]], http: httpx.AsyncClient) -> MakeCompany:
    async def make(site: Site) -> Company:
        tenant = await make_tenant()
        return Company(tenant, Gql(http, site.url, tenant.api_key))

    return make


@pytest.fixture
async def company(site: Site, make_company: MakeCompany) -> Company:
    return await make_company(site)


@dataclass(frozen=True, slots=True)
class Hosted:
    server: ModelServer
    url: str


@pytest.fixture
async def hosted() -> AsyncIterator[Hosted]:
    """A company's own server, with its `/v1`."""
    server = ModelServer()
    async with serving(server.app()) as url:
        yield Hosted(server, f"{url}/v1")
