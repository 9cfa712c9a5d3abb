"""Telling a database that is away for the moment from a statement that is wrong."""

import asyncpg
from sqlalchemy.exc import DBAPIError
from sqlalchemy.exc import TimeoutError as PoolTimeout

LOCK_NOT_AVAILABLE = "55P03"
# SQLSTATE classes and codes: connection exceptions, too many connections, shutting down, crashed, starting up.
# Source: PostgreSQL 18 documentation, appendix A.
_AWAY = ("08", "53300", "57P01", "57P02", "57P03")


def sqlstate_of(error: BaseException) -> str | None:
    """PostgreSQL's code of what it refused, whichever way the statement was sent."""
    origin = error.orig if isinstance(error, DBAPIError) else error
    return getattr(origin, "sqlstate", None)


def is_unavailable(error: BaseException | None) -> bool:
    """Whether the same request may succeed in a moment, because the database did not answer this time."""
    match error:
        case DBAPIError():
            return error.connection_invalidated or _is_away(getattr(error.orig, "sqlstate", None))
        case asyncpg.PostgresError():
            # Raised as it is while a connection is made.
            return _is_away(error.sqlstate)
        case OSError() | PoolTimeout() | asyncpg.InterfaceError():
            return True
    return False


def _is_away(sqlstate: str | None) -> bool:
    return sqlstate is not None and sqlstate.startswith(_AWAY)
