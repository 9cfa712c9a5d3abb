"""Alembic's entry: runs the revisions over one asyncpg connection as the owner of the database."""

import asyncio
import re

from alembic import context
from sqlalchemy.engine import Connection
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool
from sqlmodel import SQLModel

import app.models  # noqa: F401  registers the tables
from app import settings
from app.db.engine import sqlalchemy_url

_PARTITION = re.compile(r"(task_events|task_attempts)_\d{8}")


def is_ours(name: str | None, kind: str, parents: object) -> bool:
    """Partitions are the scheduler's: alembic compares their parents only."""
    return kind != "table" or name is None or _PARTITION.fullmatch(name) is None


def run(connection: Connection) -> None:
    context.configure(connection=connection, target_metadata=SQLModel.metadata, compare_type=True, include_name=is_ours)
    with context.begin_transaction():
        # A lock that cannot be had at once would queue every request behind the migration.
        connection.exec_driver_sql("SET lock_timeout = '5s'")
        context.run_migrations()


async def connect_and_run() -> None:
    engine = create_async_engine(sqlalchemy_url(settings.load().owner_database_url), poolclass=NullPool)
    async with engine.connect() as connection:
        await connection.run_sync(run)
        await connection.commit()
    await engine.dispose()


asyncio.run(connect_and_run())
