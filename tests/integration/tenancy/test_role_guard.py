"""The service works as bizq_app, and refuses every role that row-level security would not hold."""

import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest
from pydantic import SecretStr
from sqlalchemy.engine import make_url
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.db.engine import sqlalchemy_url
from app.db.guard import DatabaseUnavailable, UnsafeRole, check_role
from app.main import build_app
from app.settings import Settings
from tests.conftest import Servers
from tests.integration.tenancy.conftest import Connection


@asynccontextmanager
async def engine_for(url: str) -> AsyncIterator[AsyncEngine]:
    """Without the switch to bizq_app that the service's own engine makes."""
    engine = create_async_engine(sqlalchemy_url(url))
    try:
        yield engine
    finally:
        await engine.dispose()


@pytest.fixture
async def bypassing_url(as_superuser: Connection, settings: Settings) -> AsyncIterator[str]:
    name, password = f"bypass_{secrets.token_hex(4)}", secrets.token_hex(8)
    await as_superuser.execute(f"CREATE ROLE {name} LOGIN BYPASSRLS PASSWORD '{password}'")
    url = make_url(settings.app_database_url).set(username=name, password=password)
    yield url.render_as_string(hide_password=False)
    await as_superuser.execute(f"DROP ROLE {name}")


async def test_bizq_app_is_accepted(settings: Settings) -> None:
    async with engine_for(settings.app_database_url) as engine:
        await check_role(engine)


async def test_owner_is_refused(settings: Settings) -> None:
    async with engine_for(settings.owner_database_url) as engine:
        with pytest.raises(UnsafeRole, match="bizq_owner is the owner of the tables; serve as bizq_app"):
            await check_role(engine)


async def test_superuser_is_refused(servers: Servers, settings: Settings) -> None:
    async with engine_for(servers.postgres.superuser_url) as engine:
        with pytest.raises(UnsafeRole, match="postgres is a superuser"):
            await check_role(engine)


async def test_role_that_bypasses_row_level_security_is_refused(bypassing_url: str) -> None:
    async with engine_for(bypassing_url) as engine:
        with pytest.raises(UnsafeRole, match="is exempt from row-level security"):
            await check_role(engine)


async def test_login_that_may_not_become_bizq_app_is_refused_without_its_password(
    settings: Settings, bypassing_url: str
) -> None:
    app = build_app(settings.model_copy(update={"database_url": SecretStr(bypassing_url)}))

    with pytest.raises(DatabaseUnavailable) as refused:
        async with app.router.lifespan_context(app):
            pass

    assert "as bizq_app" in refused.value.message
    assert str(make_url(bypassing_url).password) not in refused.value.message
