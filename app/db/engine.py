"""The connection pool. Every connection of the service works as `bizq_app`, whoever logged in."""

from typing import Any

import orjson
from sqlalchemy import event
from sqlalchemy.engine import URL, make_url
from sqlalchemy.exc import InvalidatePoolError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.settings import Settings

APP_ROLE = "bizq_app"
STATEMENT_TIMEOUT = "15s"
LOCK_TIMEOUT = "5s"
# A process that hangs with an open transaction holds back the tail of the log for everybody.
IDLE_IN_TRANSACTION_TIMEOUT = "5s"
CONNECT_TIMEOUT_SECONDS = 5
POOL_WAIT_SECONDS = 10
# What every connection of the service begins with.
SESSION = {
    "application_name": "bizq",
    "role": APP_ROLE,
    "statement_timeout": STATEMENT_TIMEOUT,
    "lock_timeout": LOCK_TIMEOUT,
    "idle_in_transaction_session_timeout": IDLE_IN_TRANSACTION_TIMEOUT,
    "jit": "off",
}


def sqlalchemy_url(url: str) -> URL:
    """`postgres://…` or `postgresql://…`, as hosts hand them out, for SQLAlchemy's asyncpg dialect."""
    parsed = make_url(url)
    query = dict(parsed.query)
    if "sslmode" in query:
        query["ssl"] = query.pop("sslmode")
    return parsed.set(drivername="postgresql+asyncpg", query=query)


def asyncpg_url(url: str) -> str:
    """The same for asyncpg alone, which calls `sslmode` what PostgreSQL's own library does."""
    parsed = make_url(url)
    query = dict(parsed.query)
    if "ssl" in query:
        query["sslmode"] = query.pop("ssl")
    return parsed.set(drivername="postgresql", query=query).render_as_string(hide_password=False)


def create_engine(settings: Settings) -> AsyncEngine:
    """A pool of connections whose role and time limits are set when each is opened: half of the process's, beside those
    for single statements."""
    engine = create_async_engine(
        sqlalchemy_url(settings.app_database_url),
        pool_size=settings.bizq_database_pool - settings.bizq_database_pool // 2,
        max_overflow=0,
        pool_timeout=POOL_WAIT_SECONDS,
        # A statement that failed is logged; what a caller sent is not.
        hide_parameters=True,
        # As strict as what came in; a number beyond 64 bits comes back as a double, not as what no answer can hold.
        json_deserializer=orjson.loads,
        connect_args={
            "timeout": CONNECT_TIMEOUT_SECONDS,
            "server_settings": SESSION,
        },
    )
    event.listen(engine.sync_engine, "checkout", _replace_if_closed)
    return engine


def _replace_if_closed(connection: Any, record: object, proxy: object) -> None:
    """After PostgreSQL was restarted the pool is full of dead connections. asyncpg knows without asking the server."""
    if connection.driver_connection.is_closed():
        raise InvalidatePoolError("The server closed the connection while it was not used.")
