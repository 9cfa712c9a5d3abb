"""Refuses to serve through a role that row-level security would not hold, or without the keys of what is sealed."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from sqlalchemy import text
from sqlalchemy.exc import DBAPIError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.db.engine import APP_ROLE, create_engine, sqlalchemy_url
from app.db.revision import expected_head
from app.db.vault import Vault
from app.errors import AppError, ErrorCode
from app.settings import Settings

_ROLE = text("""
    SELECT r.rolname, r.rolsuper, r.rolbypassrls,
        EXISTS (SELECT FROM pg_class c WHERE c.relname = 'tasks' AND c.relowner = r.oid) AS owns
    FROM pg_roles r WHERE r.rolname = current_user
""")
_SEALING_KEYS = text("SELECT sealing_keys()")
_HEAD = text("SELECT version_num FROM alembic_version")


class UnsafeRole(AppError):
    code = ErrorCode.FORBIDDEN


class UnknownKey(AppError):
    """Nobody could sign in, and people would be made a second time."""

    code = ErrorCode.INVALID_STATE


class DatabaseUnavailable(AppError):
    """No connection as the role of the service. The message names the address, never the password."""

    code = ErrorCode.INVALID_STATE


async def check_role(engine: AsyncEngine) -> None:
    """Raises DatabaseUnavailable, or UnsafeRole when the role is the owner, a superuser or has BYPASSRLS."""
    async with _connection(engine, APP_ROLE, "DATABASE_URL, and run `bizq migrate` first") as connection:
        role = (await connection.execute(_ROLE)).mappings().one()
    for column, what in (
        ("rolsuper", "a superuser"),
        ("rolbypassrls", "exempt from row-level security"),
        ("owns", "the owner of the tables"),
    ):
        if role[column]:
            raise UnsafeRole(f"The role {role['rolname']} is {what}; serve as {APP_ROLE} instead.")


async def check_encryption_keys(engine: AsyncEngine, vault: Vault) -> None:
    """Of the oldest and the newest user, which is what a wrong key or one that was dropped too early shows in.

    Raises UnknownKey.
    """
    async with engine.connect() as connection:
        for key_id in (await connection.execute(_SEALING_KEYS)).scalars():
            if not vault.knows(key_id):
                raise UnknownKey(
                    f"People are sealed with the key {key_id.hex()}, which is not in BIZQ_ENCRYPTION_KEY. Put the key "
                    "from before behind the one there is now (new,old), and run `bizq keys rotate`."
                )


async def check_owner(settings: Settings) -> None:
    """Before a migration. Raises DatabaseUnavailable."""
    engine = create_async_engine(sqlalchemy_url(settings.owner_database_url), poolclass=NullPool)
    async with _connection(engine, "the owner", "DATABASE_OWNER_URL or DATABASE_URL") as connection:
        await connection.execute(text("SELECT 1"))


@asynccontextmanager
async def _connection(engine: AsyncEngine, role: str, check: str) -> AsyncIterator[AsyncConnection]:
    try:
        async with engine.connect() as connection:
            yield connection
    except (DBAPIError, OSError, TimeoutError) as error:
        address = f"{engine.url.host}:{engine.url.port or 5432}"
        reason = str(error.orig if isinstance(error, DBAPIError) else error) or type(error).__name__
        reason = reason.partition(": ")[2] if reason.startswith("<class") else reason
        raise DatabaseUnavailable(
            f"Cannot work with the database at {address} as {role}: {reason.rstrip('.')}. Check {check}."
        ) from None


async def check_database(settings: Settings) -> None:
    """Before a process starts to serve: the role is safe and the tables are there. Raises as `check_role` does."""
    engine = create_engine(settings)
    try:
        await check_role(engine)
        head = await migration_head(engine)
    finally:
        await engine.dispose()
    if head != expected_head():
        raise DatabaseUnavailable(
            f"The database is at migration {head}, this version needs {expected_head()}: run `bizq migrate`."
        )


async def check_keys(settings: Settings, vault: Vault) -> None:
    """The same for what is sealed. Raises UnknownKey."""
    engine = create_engine(settings)
    try:
        await check_encryption_keys(engine, vault)
    finally:
        await engine.dispose()


async def migration_head(engine: AsyncEngine) -> str | None:
    """The revision the database is at, or None before the first migration."""
    async with engine.connect() as connection:
        exists = await connection.scalar(text("SELECT to_regclass('alembic_version') IS NOT NULL"))
        return (await connection.execute(_HEAD)).scalar_one_or_none() if exists else None
