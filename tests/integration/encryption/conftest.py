"""Databases of a test's own: what is migrated or sealed again here is nobody else's."""

import asyncio
import base64
import itertools
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from typing import TypeAlias
from uuid import UUID

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app import ids
from app.db.engine import create_engine, sqlalchemy_url
from app.db.vault import Vault
from app.embedded.postgres import OWNER
from app.events.hub import Hub
from app.integrations.configured import configured_mailer
from app.integrations.delivery import MailDelivery
from app.queue.announcer import Announcer
from app.queue.broker import create_broker
from app.services.account import people
from app.settings import Settings
from app.unit_of_work import UnitOfWorkFactory
from tests.conftest import Servers, migrate

Sql: TypeAlias = "asyncpg.Connection[asyncpg.Record]"
OLD, NEW = bytes(range(100, 132)), bytes(range(132, 164))
_NUMBERS = itertools.count(1)


def ring(*keys: bytes) -> str:
    """As BIZQ_ENCRYPTION_KEY."""
    return ",".join(base64.b64encode(key).decode() for key in keys)


def at(settings: Settings, name: str) -> Settings:
    """The same server, another database."""
    changed = {
        field: SecretStr(make_url(url).set(database=name).render_as_string(hide_password=False))
        for field, url in (
            ("database_url", settings.app_database_url),
            ("database_owner_url", settings.owner_database_url),
        )
    }
    return settings.model_copy(update=changed)


async def create_database(servers: Servers, name: str, template: str) -> None:
    connection = await asyncpg.connect(servers.postgres.superuser_url)
    await connection.execute(f"CREATE DATABASE {name} OWNER {OWNER} TEMPLATE {template}")
    await connection.close()


@pytest.fixture
async def unmigrated(servers: Servers, settings: Settings) -> Settings:
    name = f"unmigrated_{next(_NUMBERS)}"
    await create_database(servers, name, "template0")
    return at(settings, name)


@pytest.fixture(scope="session")
async def blank(servers: Servers, settings: Settings) -> str:
    """A migrated database to copy."""
    await create_database(servers, "blank", "template0")
    await migrate(at(settings, "blank"))
    return "blank"


@pytest.fixture
async def own(servers: Servers, settings: Settings, blank: str) -> Settings:
    """Of a service on a database of its own, without anybody in it."""
    name = f"own_{next(_NUMBERS)}"
    await create_database(servers, name, blank)
    return at(settings, name)


@pytest.fixture
async def owner(own: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(sqlalchemy_url(own.owner_database_url))
    yield engine
    await engine.dispose()


@pytest.fixture
async def sql(own: Settings) -> AsyncIterator[Sql]:
    """As the tables' owner, past everything that the service does."""
    connection = await asyncpg.connect(own.owner_database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def service(own: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_engine(own)
    yield engine
    await engine.dispose()


@pytest.fixture
async def unit_of_work(own: Settings, service: AsyncEngine) -> AsyncIterator[UnitOfWorkFactory]:
    hub, announcer = Hub(own.redis), Announcer(create_broker(own.redis))
    mailer = MailDelivery(configured_mailer(own))
    await hub.start()
    yield UnitOfWorkFactory(service, hub, announcer, mailer)
    await mailer.close()
    await announcer.close()
    await hub.stop()


@dataclass(frozen=True, slots=True)
class Someone:
    id: UUID
    email: str
    name: str


Add = Callable[..., Awaitable[list[Someone]]]


@pytest.fixture
def add(sql: Sql) -> Add:
    """Writes users, sealed by this vault; in the order of their ids."""

    async def add(vault: Vault, count: int = 1, email: str | None = None) -> list[Someone]:
        made = [Someone(key, email or f"{key.hex}@example.com", f"Ann {key.hex}") for key in map(_new_id, range(count))]
        rows = [{"id": one.id, **people.sealed(vault, one.id, email=one.email, name=one.name)} for one in made]
        await sql.executemany(
            "INSERT INTO users (id, email, email_index, name) VALUES ($1, $2, $3, $4)",
            [(row["id"], row["email"], row["email_index"], row["name"]) for row in rows],
        )
        return made

    return add


def _new_id(_: int) -> UUID:
    return ids.new_id()


async def until_waiting(sql: Sql, kind: str) -> None:
    """Until another session waits for such a lock: `transactionid` (a row that somebody holds) or `advisory`."""
    async with asyncio.timeout(30):
        while not await sql.fetchval(  # noqa: ASYNC110 no event for it
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND locktype = $1", kind
        ):
            await asyncio.sleep(0.01)


async def alembic(settings: Settings, *arguments: str, key: str | None = None) -> tuple[int, str]:
    """Exit code and standard error of alembic on this database."""
    environment = {"PATH": os.environ["PATH"], "DATABASE_URL": settings.owner_database_url}
    environment |= {"BIZQ_ENCRYPTION_KEY": key} if key is not None else {}
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "alembic", *arguments, env=environment, stderr=asyncio.subprocess.PIPE
    )
    _, complaint = await process.communicate()
    assert process.returncode is not None
    return process.returncode, complaint.decode()
