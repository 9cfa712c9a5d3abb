"""No process of the service waits for ever in the database, nor lets others wait for it."""

import asyncio
import time
from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncEngine

from app import main
from app.actors import work
from app.db.engine import create_engine
from app.settings import Settings
from tests.integration.conftest import serving

LIMITS = {
    "role": "bizq_app",
    "application_name": "bizq",
    "statement_timeout": "15s",
    "lock_timeout": "5s",
    "idle_in_transaction_session_timeout": "5s",
}


@pytest.fixture
def engines(monkeypatch: pytest.MonkeyPatch) -> list[AsyncEngine]:
    """Those that a process makes while it starts."""
    made: list[AsyncEngine] = []

    def make(settings: Settings) -> AsyncEngine:
        made.append(create_engine(settings))
        return made[-1]

    for module in (main, work):
        monkeypatch.setattr(module, "create_engine", make)
    return made


@pytest.fixture(params=["api", "worker"])
async def process(
    request: pytest.FixtureRequest, service_settings: Settings, engines: list[AsyncEngine]
) -> AsyncIterator[AsyncEngine]:
    """Its only engine."""
    running = serving(main.build_app(service_settings)) if request.param == "api" else work.work(service_settings)
    async with running:
        (engine,) = engines
        yield engine


async def test_each_process_sets_them_as_it_connects(process: AsyncEngine) -> None:
    async with process.connect() as connection:
        found = {name: await connection.scalar(text(f"SHOW {name}")) for name in LIMITS}
        defaults = await connection.execute(
            text("SELECT name, reset_val, source FROM pg_settings WHERE name = ANY (:names)"), {"names": list(LIMITS)}
        )

    assert found == LIMITS
    # What a RESET would bring back: they were said in the connection's start-up, not by a statement after it.
    assert {row.source for row in defaults if row.name != "role"} == {"client"}


async def test_a_transaction_that_is_left_open_is_ended(engine: AsyncEngine) -> None:
    async with engine.connect() as connection:
        await connection.execute(text("SET LOCAL idle_in_transaction_session_timeout = '100ms'"))
        await asyncio.sleep(0.3)
        with pytest.raises(DBAPIError, match=r"closed|idle-in-transaction"):
            await connection.execute(text("SELECT 1"))


async def test_a_lock_is_waited_for_only_so_long(engine: AsyncEngine) -> None:
    lock = text("SELECT pg_advisory_xact_lock(4711)")
    async with engine.connect() as holder, engine.connect() as waiter:
        await holder.execute(lock)
        await waiter.execute(text("SET LOCAL lock_timeout = '50ms'"))
        began = time.monotonic()
        with pytest.raises(DBAPIError, match="lock timeout"):
            await waiter.execute(lock)

    assert time.monotonic() - began < 2
