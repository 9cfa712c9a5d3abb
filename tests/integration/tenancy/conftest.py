"""Plain connections to the database, past everything that the service does."""

from collections.abc import AsyncIterator
from typing import TypeAlias
from uuid import UUID

import asyncpg
import pytest

from app.settings import Settings
from tests.conftest import Servers

Connection: TypeAlias = "asyncpg.Connection[asyncpg.Record]"


@pytest.fixture
async def as_app(settings: Settings) -> AsyncIterator[Connection]:
    """As the service's own role; nothing is said about a workspace yet."""
    connection = await asyncpg.connect(settings.app_database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def as_owner(settings: Settings) -> AsyncIterator[Connection]:
    connection = await asyncpg.connect(settings.owner_database_url)
    yield connection
    await connection.close()


@pytest.fixture
async def as_superuser(servers: Servers, settings: Settings) -> AsyncIterator[Connection]:
    """To make roles, and to look at everything."""
    url = servers.postgres.superuser_url.rpartition("/")[0] + "/bizq"
    connection = await asyncpg.connect(url)
    yield connection
    await connection.close()


async def enter(connection: Connection, workspace: UUID, user: UUID | None = None) -> None:
    """For the rest of the transaction."""
    await connection.execute("SELECT set_config('app.workspace_id', $1, true)", str(workspace))
    if user is not None:
        await connection.execute("SELECT set_config('app.user_id', $1, true)", str(user))
