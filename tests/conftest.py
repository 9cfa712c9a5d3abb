"""Real servers for the tests: each test process starts its own PostgreSQL and Redis, migrates once, stops them.

Tests do not clean up rows: each makes a workspace of its own, and workspaces do not see each other.
"""

import asyncio
import base64
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from pydantic import SecretStr

from app.embedded.data_dir import DataDir
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.redis import EmbeddedRedis
from app.settings import MAX_RATE_POINTS, Settings

ENCRYPTION_KEY = bytes(range(32, 64))
FAKE_KEY = "sk-test"


@dataclass(frozen=True, slots=True)
class Servers:
    postgres: EmbeddedPostgres
    redis: EmbeddedRedis


@pytest.fixture(scope="session")
def servers() -> Iterator[Servers]:
    # Not pytest's folder: as root, PostgreSQL runs as another user, and pytest shuts that folder to others again.
    folder = Path(tempfile.mkdtemp(prefix="bizq-tests-"))
    data = DataDir(folder)
    data.open()
    postgres = EmbeddedPostgres(data.path / "postgres", data.run, data.secrets(), ephemeral=True)
    redis = EmbeddedRedis(data.path / "redis", data.run, data.secrets(), ephemeral=True)
    try:
        postgres.start()
        redis.start()
        yield Servers(postgres, redis)
    finally:
        redis.stop()
        postgres.stop()
        data.close()
        shutil.rmtree(folder)


@pytest.fixture(scope="session")
async def settings(servers: Servers) -> Settings:
    """Of a service on the test servers, migrated, without a provider."""
    loaded = Settings(
        bizq_log_format="json",
        bizq_log_level="warning",
        bizq_token_key=SecretStr(base64.b64encode(bytes(range(32))).decode()),
        bizq_encryption_key=SecretStr(base64.b64encode(ENCRYPTION_KEY).decode()),
        database_url=SecretStr(servers.postgres.app_url),
        database_owner_url=SecretStr(servers.postgres.owner_url),
        redis_url=SecretStr(servers.redis.url),
        openai_api_key=SecretStr(FAKE_KEY),
        # On, and out of the way: all tests call from one address.
        bizq_rate_points=MAX_RATE_POINTS,
        bizq_rate_anonymous_points=MAX_RATE_POINTS,
        bizq_sign_ups_per_hour=MAX_RATE_POINTS,
        bizq_sign_ins_per_minute=MAX_RATE_POINTS,
        bizq_refreshes_per_minute=MAX_RATE_POINTS,
    )
    await migrate(loaded)
    return loaded


async def migrate(loaded: Settings) -> None:
    """In a process of its own, as a user would: alembic runs an event loop itself."""
    environment = {
        "PATH": os.environ["PATH"],
        "DATABASE_OWNER_URL": loaded.owner_database_url,
        "DATABASE_URL": loaded.app_database_url,
    }
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", "app.cli", "migrate", env=environment)
    assert await process.wait() == 0
