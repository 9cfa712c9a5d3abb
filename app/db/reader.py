"""Reads of one caller: columns, in a short transaction that sees only the caller's workspace."""

import asyncio
from collections.abc import Sequence

from sqlalchemy import Executable, RowMapping, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from app.principal import Person, Principal

_ENTER_WORKSPACE = text(
    "SELECT set_config('app.workspace_id', :workspace, true), set_config('app.user_id', :user, true)"
)


async def enter_workspace(connection: AsyncConnection | AsyncSession, caller: Principal | Person) -> None:
    """Until the transaction ends, row-level security shows this workspace (and this user's own row) only."""
    workspace = str(caller.workspace_id) if isinstance(caller, Principal) else ""
    user = str(caller.user_id) if caller.user_id else ""
    await connection.execute(_ENTER_WORKSPACE, {"workspace": workspace, "user": user})


class Reader:
    """Sibling fields resolve at the same time, so statements take turns on one connection.

    `keep=True` holds the transaction until `close()` or `end()`: one GraphQL request then costs one connection and sets
    its workspace once. `keep=False` ends it after each statement: for sockets, which live for hours.
    """

    def __init__(self, engine: AsyncEngine, caller: Principal | Person, *, keep: bool) -> None:
        self._engine = engine
        self._caller = caller
        self._keep = keep
        self._turn = asyncio.Lock()
        self._connection: AsyncConnection | None = None

    async def rows(self, statement: Executable, *, within: Principal | None = None) -> Sequence[RowMapping]:
        """`within` is the same caller in another workspace of theirs, for this statement."""
        async with self._turn:
            done = False
            try:
                connection = await self._open()
                if within is not None:
                    await enter_workspace(connection, within)
                rows = (await connection.execute(statement)).mappings().all()
                if within is not None:
                    await enter_workspace(connection, self._caller)
                done = True
                return rows
            finally:
                # Also after a failure: nobody goes on in a workspace that is not theirs.
                if not (self._keep and done):
                    await self._release()

    async def row(self, statement: Executable, *, within: Principal | None = None) -> RowMapping | None:
        """The first row, or None."""
        rows = await self.rows(statement, within=within)
        return rows[0] if rows else None

    async def close(self) -> None:
        """The next statement begins another transaction."""
        async with self._turn:
            await self._release()

    async def end(self) -> None:
        """Nobody will close it again: statements that come late, or are under way, keep nothing."""
        self._keep = False
        await self.close()

    async def _open(self) -> AsyncConnection:
        if self._connection is None:
            self._connection = await self._engine.connect()
            await enter_workspace(self._connection, self._caller)
        return self._connection

    async def _release(self) -> None:
        connection, self._connection = self._connection, None
        if connection is not None:
            await connection.close()
