"""The database as the owner of its tables, for commands that look across workspaces."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.db.engine import sqlalchemy_url
from app.db.guard import DatabaseUnavailable, check_owner, migration_head
from app.db.revision import expected_head
from app.settings import Settings


@asynccontextmanager
async def as_owner(loaded: Settings) -> AsyncIterator[AsyncEngine]:
    """Raises DatabaseUnavailable, also where the database is not at this version."""
    await check_owner(loaded)
    engine = create_async_engine(sqlalchemy_url(loaded.owner_database_url), hide_parameters=True)
    try:
        head = await migration_head(engine)
        if head != expected_head():
            raise DatabaseUnavailable(
                f"The database is at {head or 'no revision'}; this version needs {expected_head()}. Run `bizq migrate`."
            )
        yield engine
    finally:
        await engine.dispose()
