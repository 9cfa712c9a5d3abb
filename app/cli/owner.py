"""The database as its owner, for commands of whoever operates the installation."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app import settings
from app.db.engine import sqlalchemy_url
from app.db.guard import DatabaseUnavailable, check_owner, migration_head
from app.db.revision import expected_head


@asynccontextmanager
async def owner() -> AsyncIterator[AsyncEngine]:
    """Raises DatabaseUnavailable, also where it is not at this version."""
    loaded = settings.load()
    await check_owner(loaded)
    engine = create_async_engine(sqlalchemy_url(loaded.owner_database_url), poolclass=NullPool)
    try:
        head = await migration_head(engine)
        if head != expected_head():
            raise DatabaseUnavailable(
                f"The database is at {head or 'no revision'}; this version needs {expected_head()}. Run `bizq migrate`."
            )
        yield engine
    finally:
        await engine.dispose()
