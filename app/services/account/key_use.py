"""When API keys were last used: written in batches, a second after the requests, and for each key once a minute."""

import asyncio
import time
from datetime import timedelta
from uuid import UUID

import structlog
from sqlalchemy import text
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

log = structlog.get_logger(__name__)

APART = timedelta(minutes=1)
WAIT_SECONDS = 1.0
_TOUCH = text("SELECT touch_api_keys(:keys, :apart)").bindparams(apart=APART)


class KeyUse:
    """One a process."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._used: set[UUID] = set()
        self._written: dict[UUID, float] = {}
        self._writing: asyncio.Task[None] | None = None

    def note(self, key_id: UUID) -> None:
        """The key was used now. Costs a look into a dictionary."""
        if key_id in self._used or self._written.get(key_id, 0.0) > time.monotonic():
            return
        self._used.add(key_id)
        if self._writing is None:
            self._writing = asyncio.create_task(self._write_soon(), name="when API keys were used")

    async def close(self) -> None:
        """Write what is left."""
        if self._writing is not None:
            self._writing.cancel()
            await asyncio.wait([self._writing])
        await self._write()

    async def _write_soon(self) -> None:
        # What is noted while this writes is written in the next round.
        while self._used:
            await asyncio.sleep(WAIT_SECONDS)
            await self._write()
        self._writing = None

    async def _write(self) -> None:
        keys, self._used = self._used, set()
        if not keys:
            return
        now = time.monotonic()
        self._written = {key: until for key, until in self._written.items() if until > now}
        self._written |= dict.fromkeys(keys, now + APART.total_seconds())
        try:
            async with self._engine.begin() as connection:
                await connection.execute(_TOUCH, {"keys": list(keys)})
        except (SQLAlchemyError, OSError) as error:
            # Nothing depends on it: the next use after a minute is written again.
            log.warning("last use of API keys not written", keys=len(keys), reason=type(error).__name__)
