"""Sign-ins that failed, in the audit logs of whoever they were for.

An entry is written for the 1st, 2nd, 4th, 8th … failure in a row, from wherever, each with the count so far. A row ends
after 15 quiet minutes, so whoever tries for ever adds about four entries an hour. It is written behind the answer:
otherwise the answer for an address that somebody has would take longer.
"""

import asyncio
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app import clock
from app.db.audit import append_for_user
from app.services.account.lockout import Attempt

log = structlog.get_logger(__name__)
_COUNT = text("SELECT count_sign_in_failures(:keys)")


class FailedSignIns:
    """One a process."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._writing: set[asyncio.Task[None]] = set()

    def note(self, user_id: UUID, attempt: Attempt) -> None:
        """After the failure was counted. There are no more of these at a time than passwords that are verified."""
        # The task has a copy of the context, and with it the address that the request comes from.
        task = asyncio.create_task(self._write(user_id, attempt), name="note a failed sign-in")
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def close(self) -> None:
        """Before the engine is disposed of."""
        if self._writing:
            await asyncio.wait(self._writing)

    async def _write(self, user_id: UUID, attempt: Attempt) -> None:
        try:
            async with self._engine.begin() as connection:
                count = (await connection.execute(_COUNT, {"keys": attempt.accounts})).scalar_one()
                if count.bit_count() == 1:
                    data = {"failures": count}
                    now = clock.now()
                    await append_for_user(connection, user_id, now, "session.sign_in_failed", data, by_them=False)
        except (SQLAlchemyError, OSError) as error:
            log.warning("failed sign-in not in the audit log", user=str(user_id), reason=type(error).__name__)
