from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app import clock
from app.db.engine import sqlalchemy_url
from app.settings import Settings
from tests.integration.api.accounts import Person, email_index, new_email
from tests.integration.mfa.people import HeldClock, Member, enrolled

Count = Callable[[str, Person], Awaitable[int]]


@pytest.fixture
def held_clock(monkeypatch: pytest.MonkeyPatch) -> HeldClock:
    held = HeldClock()
    monkeypatch.setattr(clock, "now", held.now)
    return held


@pytest.fixture
def person(http: httpx.AsyncClient, api: str) -> Person:
    return Person(http, api, new_email())


@pytest.fixture
async def member(person: Person, held_clock: HeldClock) -> Member:
    return await enrolled(person, held_clock)


@pytest.fixture
async def owner_engine(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(sqlalchemy_url(settings.owner_database_url))
    yield engine
    await engine.dispose()


@pytest.fixture
def sql(owner_engine: AsyncEngine) -> Callable[..., Awaitable[Any]]:
    """As the tables' owner; gives the rows, if it gives any."""

    async def run(statement: str, **values: object) -> Any:
        async with owner_engine.begin() as connection:
            result = await connection.execute(text(statement), values)
            return result.all() if result.returns_rows else None

    return run


@pytest.fixture
def count(sql: Callable[..., Awaitable[Any]], api: str) -> Count:
    """Rows of a person in a table (or in one with a condition)."""

    async def run(table: str, person: Person) -> int:
        start = table if " WHERE " in table else f"{table} WHERE true"
        mine = "user_id = (SELECT id FROM users WHERE email_index = :email)"
        ((found,),) = await sql(f"SELECT count(*) FROM {start} AND {mine}", email=email_index(person.email))
        return int(found)

    return run
