"""A worker whose PostgreSQL dies works on when it is back. On a server of its own: the others' is shared."""

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import create_async_engine

from app.db.engine import create_engine, sqlalchemy_url
from app.embedded.data_dir import DataDir
from app.embedded.postgres import EmbeddedPostgres
from app.events.hub import Hub
from app.fakes.faults import Fault, FaultKind
from app.queue.announcer import Announcer
from app.queue.broker import create_broker
from app.services.account.sign_up import SignUp, sign_up
from app.settings import Settings
from app.unit_of_work import UnitOfWorkFactory
from tests.conftest import migrate
from tests.integration.conftest import Fakes, Tenant, working
from tests.integration.engine.calls import open_call
from tests.integration.engine.desk import Desk


@pytest.fixture
def postgres(tmp_path: Path) -> Iterator[EmbeddedPostgres]:
    data = DataDir(tmp_path)
    data.open()
    # Not ephemeral: that one does not wait for its commits to be written, and would lose the last ones.
    server = EmbeddedPostgres(data.path / "postgres", data.run, data.secrets(), ephemeral=False)
    server.start()
    yield server
    server.stop()
    data.close()


@pytest.fixture
async def own_settings(postgres: EmbeddedPostgres, service_settings: Settings) -> Settings:
    urls = {"database_url": SecretStr(postgres.app_url), "database_owner_url": SecretStr(postgres.owner_url)}
    settings = service_settings.model_copy(update={**urls, "bizq_lease_seconds": 2.0})
    await migrate(settings)
    return settings


@pytest.fixture
async def own_desk(own_settings: Settings) -> AsyncIterator[Desk]:
    async with AsyncExitStack() as stack:
        engine = create_engine(own_settings)
        stack.push_async_callback(engine.dispose)
        owner = create_async_engine(sqlalchemy_url(own_settings.owner_database_url), pool_pre_ping=True)
        stack.push_async_callback(owner.dispose)
        hub, announcer = Hub(own_settings.redis), Announcer(create_broker(own_settings.redis))
        await hub.start()
        stack.push_async_callback(hub.stop)
        stack.push_async_callback(announcer.close)
        factory = UnitOfWorkFactory(engine, hub, announcer)
        account = await sign_up(factory, SignUp("eva@example.com", "correct horse battery", "Eva"))
        yield Desk(owner, engine, factory, Tenant(account, account.principal, ""))


async def test_a_killed_database_costs_time_and_no_task(
    own_desk: Desk, own_settings: Settings, postgres: EmbeddedPostgres, fakes: Fakes
) -> None:
    fakes.faults.add(Fault("openai", FaultKind.SLOW, delay=0.03, times=3))
    tasks = await own_desk.accept(3, max_attempts=10)
    async with working(own_settings):
        await open_call(fakes)
        assert postgres.child is not None
        postgres.child.kill()
        postgres.child.process.wait()
        # Long enough for every loop of the worker to notice.
        await asyncio.sleep(0.7)
        postgres.start()
        ended = [await own_desk.ended(task_id, seconds=30) for task_id in tasks]
        # Of the connections of before, the first that is used says that it is closed.
        await own_desk.engine.dispose()
        later = await own_desk.ended(await own_desk.accept_one())

    assert [task["status"] for task in ended] == ["SUCCEEDED"] * 3
    assert later["status"] == "SUCCEEDED"
    for task_id in tasks:
        kinds = await own_desk.kinds(task_id)
        assert kinds.count("SUCCEEDED") == 1 and kinds[-1] == "SUCCEEDED"
