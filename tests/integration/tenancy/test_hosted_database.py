"""A hosted database: one login, which owns the database and may make roles. Nothing of ours is there yet."""

from collections.abc import Iterator

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import text
from sqlalchemy.engine import make_url

from app.db.engine import create_engine
from app.db.guard import check_role
from app.embedded.data_dir import DataDir
from app.embedded.postgres import EmbeddedPostgres
from app.settings import Settings
from tests.conftest import migrate


@pytest.fixture
def bare_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[EmbeddedPostgres]:
    data = DataDir(tmp_path_factory.mktemp("hosted"))
    data.open()
    postgres = EmbeddedPostgres(data.path / "postgres", data.run, data.secrets(), ephemeral=True)
    try:
        postgres.start()
        yield postgres
    finally:
        postgres.stop()
        data.close()


@pytest.fixture
async def hosted_url(bare_server: EmbeddedPostgres) -> str:
    administrator = await asyncpg.connect(bare_server.superuser_url)
    for statement in (
        "DROP DATABASE bizq",
        "DROP ROLE bizq_app",
        "CREATE ROLE customer LOGIN CREATEROLE PASSWORD 'given-by-the-host'",
        "CREATE DATABASE hosted OWNER customer",
    ):
        await administrator.execute(statement)
    await administrator.close()
    url = make_url(bare_server.superuser_url)
    url = url.set(username="customer", password="given-by-the-host", database="hosted")
    return url.render_as_string(hide_password=False)


async def test_service_given_only_the_owners_address_works_as_bizq_app(hosted_url: str, settings: Settings) -> None:
    hosted = settings.model_copy(update={"database_url": SecretStr(hosted_url), "database_owner_url": None})
    await migrate(hosted)
    engine = create_engine(hosted)

    await check_role(engine)
    async with engine.connect() as connection:
        who = (await connection.execute(text("SELECT session_user, current_user"))).one()
        visible = await connection.scalar(text("SELECT count(*) FROM templates"))
    await engine.dispose()

    assert tuple(who) == ("customer", "bizq_app")
    assert visible == 0


async def test_migrating_again_changes_nothing(hosted_url: str, settings: Settings) -> None:
    hosted = settings.model_copy(update={"database_url": SecretStr(hosted_url), "database_owner_url": None})
    await migrate(hosted)
    await migrate(hosted)

    owner = await asyncpg.connect(hosted_url)
    versions = await owner.fetchval("SELECT count(*) FROM template_versions")
    await owner.close()

    assert versions == 6
