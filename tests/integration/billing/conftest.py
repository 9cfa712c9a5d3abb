"""A desk for money: looks and changes as the tables' owner, runs tasks to their end, counts usage at once."""

from collections.abc import AsyncIterator, Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.db.engine import sqlalchemy_url
from app.services.billing import usage
from app.settings import Settings
from tests.integration.api.documents import CREATE_TASK
from tests.integration.graphql_client import Gql, Socket

Sql = Callable[..., Awaitable[Any]]
Run = Callable[..., Awaitable[str]]
Refresh = Callable[[], Awaitable[None]]
ENDS = "subscription($id: ID) { taskEvents(taskId: $id) { kind } }"
SUMMARY = {"type": "text.summarize", "input": {"text": "Snow delayed the parcel to Oslo by two days."}}


@pytest.fixture
async def owner_engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(sqlalchemy_url(settings.owner_database_url))
    yield engine
    await engine.dispose()


@pytest.fixture
def sql(owner_engine: AsyncEngine) -> Sql:
    """As the tables' owner; gives the rows, if there are any."""

    async def run(statement: str, **values: object) -> Any:
        async with owner_engine.begin() as connection:
            result = await connection.execute(text(statement), values)
            return result.all() if result.returns_rows else None

    return run


@pytest.fixture
def run_task(gql: Gql, socket: Socket) -> Run:
    """Creates a task and waits for its end; a worker has to be there. Gives its id."""

    async def run(**changes: Any) -> str:
        created = (await gql(CREATE_TASK, input=SUMMARY | changes))["createTask"]
        assert created["errors"] == []
        task_id: str = created["task"]["id"]
        await (await socket.subscribe(ENDS, id=task_id)).rest()
        return task_id

    return run


@pytest.fixture
def refresh(engine: AsyncEngine, sql: Sql) -> Refresh:
    """What the scheduler does in a minute, without regard to when it did it last."""

    async def run() -> None:
        await sql("UPDATE usage_progress SET took = NULL")
        while await usage.refresh(engine, timedelta(0)):
            pass

    return run
