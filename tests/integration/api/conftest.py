"""Tasks to begin with, and an API of a test's own where it has to reach inside."""

from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.db.engine import sqlalchemy_url
from app.db.vault import Vault
from app.main import build_app
from app.services.account.tokens import TokenSigner
from app.settings import Settings
from app.unit_of_work import UnitOfWorkFactory
from tests.integration.api.documents import CREATE_TASKS, LATER
from tests.integration.api.people import People
from tests.integration.conftest import Tenant, serving
from tests.integration.graphql_client import Gql

MakeTasks = Callable[..., Awaitable[list[str]]]
Sql = Callable[..., Awaitable[Any]]
OwnApi = Callable[..., AbstractAsyncContextManager[str]]


@pytest.fixture
def make_tasks(gql: Gql) -> MakeTasks:
    """Creates tasks from drafts, in one request; gives their ids."""

    async def make(*drafts: dict[str, Any]) -> list[str]:
        results = (await gql(CREATE_TASKS, inputs=list(drafts)))["createTasks"]["results"]
        assert [result["errors"] for result in results] == [[] for _ in drafts]
        return [result["task"]["id"] for result in results]

    return make


@pytest.fixture
def own_api(service_settings: Settings) -> OwnApi:
    """Starts another API with changed settings."""

    @asynccontextmanager
    async def start(**changes: Any) -> AsyncIterator[str]:
        async with serving(build_app(service_settings.model_copy(update=changes))) as url:
            yield url

    return start


@pytest.fixture
async def foreign_task(make_tenant: Callable[[], Awaitable[Tenant]], gql_as: Callable[[Tenant], Gql]) -> str:
    """The id of a task in another workspace."""
    stranger = gql_as(await make_tenant())
    created = await stranger(CREATE_TASKS, inputs=[{"type": "note.write", "input": {}, "runAt": LATER}])
    task_id: str = created["createTasks"]["results"][0]["task"]["id"]
    return task_id


@pytest.fixture
def post(http: httpx.AsyncClient, api: str, tenant: Tenant) -> Callable[..., Awaitable[httpx.Response]]:
    """Sends bytes as they are."""
    headers = {"Authorization": f"Bearer {tenant.api_key}", "Content-Type": "application/json"}

    async def send(content: bytes, method: str = "POST", **more: str) -> httpx.Response:
        return await http.request(method, f"{api}/graphql", content=content, headers=headers | more)

    return send


@pytest.fixture
async def owner_engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(sqlalchemy_url(settings.owner_database_url))
    yield engine
    await engine.dispose()


@pytest.fixture
def sql(owner_engine: AsyncEngine) -> Sql:
    """As the tables' owner; gives the first row's values, if it gives rows."""

    async def run(statement: str, **values: object) -> Any:
        async with owner_engine.begin() as connection:
            result = await connection.execute(text(statement), values)
            return result.first() if result.returns_rows else None

    return run


@pytest.fixture
def people(engine: AsyncEngine, unit_of_work: UnitOfWorkFactory, vault: Vault, settings: Settings) -> People:
    return People(engine, unit_of_work, vault, TokenSigner(settings.token_key, 900))
