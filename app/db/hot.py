"""Single statements in one round trip: what every request and every task needs.

A transaction through SQLAlchemy is four round trips and half a millisecond of Python around a read that takes a tenth
of that. Here a statement is its own transaction: it says itself whose rows it may see, and PostgreSQL plans it once for
each connection.
"""

from collections.abc import Awaitable, Mapping, Sequence
from functools import lru_cache, partial
from typing import Any, Protocol, TypeAlias, cast
from uuid import UUID

import asyncpg
import orjson

from app.db.engine import CONNECT_TIMEOUT_SECONDS, POOL_WAIT_SECONDS, SESSION, asyncpg_url
from app.principal import Person, Principal
from app.settings import Settings

# asyncpg's Record, which is read by name; that iterating over it gives values is nobody's business.
Row: TypeAlias = Mapping[Any, Any]


class Fetch(Protocol):
    """Reads for one caller: a SELECT and its parameters, $1, $2 …"""

    def __call__(self, sql: str, *values: object) -> Awaitable[Sequence[Row]]: ...


class Hot:
    """One a process. Its connections are half of the process's."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._pool: asyncpg.Pool

    async def start(self) -> None:
        """Connects to nothing yet: each connection is made when it is first needed."""
        self._pool = await asyncpg.create_pool(
            asyncpg_url(self._settings.app_database_url),
            min_size=0,
            max_size=self._settings.bizq_database_pool // 2,
            init=_json_as_objects,
            reset=_nothing_to_reset,
            timeout=CONNECT_TIMEOUT_SECONDS,
            server_settings=SESSION,
        )

    async def close(self) -> None:
        await self._pool.close()

    async def fetch(self, caller: Principal | Person, sql: str, *values: object) -> Sequence[Row]:
        """The rows of a SELECT with parameters $1, $2 …, of those that this caller may see.

        Raises asyncpg's errors, and TimeoutError where no connection becomes free.
        """
        workspace = str(caller.workspace_id) if isinstance(caller, Principal) else ""
        user = str(caller.user_id) if caller.user_id else ""
        return await self.call(_entering(sql, len(values)), *values, workspace, user)

    def of(self, caller: Principal | Person) -> Fetch:
        return partial(self.fetch, caller)

    async def call(self, sql: str, *values: object) -> Sequence[Row]:
        """The same for a statement that calls one of the database's functions, which say for themselves whom it is."""
        try:
            async with self._pool.acquire(timeout=POOL_WAIT_SECONDS) as connection:
                return cast("Sequence[Row]", await connection.fetch(sql, *values))
        except (asyncpg.InternalClientError, RuntimeError) as error:
            # What asyncpg and uvloop say of a connection that broke while they were writing to it.
            raise ConnectionResetError("The connection to the database broke.") from error


@lru_cache(maxsize=1000)
def _entering(sql: str, values: int) -> str:
    """The statement, in the workspace that its next parameter names, for the user of the one after that.

    PostgreSQL works out a LIMIT before it takes the first row from below, where the policies ask which workspace it is
    (ExecLimit in its nodeLimit.c; policies ask through a sub-select that runs when it is first needed). Were it the
    other way round, nothing would be visible at all. This one is null, so it limits nothing.
    """
    entered = f"set_config('app.workspace_id', ${values + 1}, true) || set_config('app.user_id', ${values + 2}, true)"
    return f"SELECT * FROM ({sql}) AS found LIMIT (SELECT CASE WHEN {entered} IS NULL THEN 0 END)"  # noqa: S608  our own text


async def _json_as_objects(connection: asyncpg.Connection) -> None:
    await connection.set_type_codec(
        "jsonb",
        schema="pg_catalog",
        encoder=lambda value: b"\x01" + orjson.dumps(value, default=_as_text),
        decoder=lambda data: orjson.loads(data[1:]),
        format="binary",
    )


def _as_text(value: object) -> str:
    # asyncpg's own, of which orjson knows nothing.
    if isinstance(value, UUID):
        return str(value)
    raise TypeError(f"{type(value).__name__} is not JSON")


async def _nothing_to_reset(connection: asyncpg.Connection) -> None:
    """Statements leave nothing behind: each is a transaction, and what they set ends with it."""
