"""The text that a model is writing: sent on at most 20 times a second, kept in the attempt row every 2 s or 4 KB."""

import asyncio
import time
from uuid import UUID

import structlog
from sqlalchemy.exc import SQLAlchemyError

from app.events.output import OutputLog, OutputLogUnavailable
from app.principal import Principal
from app.services.task import attempt
from app.services.task.structured import storable
from app.unit_of_work import UnitOfWorkFactory

log = structlog.get_logger(__name__)
FLUSH_SECONDS = 0.05
CHECKPOINT_SECONDS = 2.0
CHECKPOINT_CHARACTERS = 4096


class OutputWriter:
    """The present attempt's text. `write` never waits: flushing goes on beside the vendor's stream."""

    def __init__(
        self, log: OutputLog, unit_of_work: UnitOfWorkFactory, workspace_id: UUID, task_id: UUID, number: int
    ) -> None:
        self._log = log
        self._unit_of_work = unit_of_work
        self._principal = Principal.system(workspace_id)
        self._task_id = task_id
        self._number = number
        self._parts: list[str] = []
        self._sent = 0
        self._kept = 0
        self._flushed_at = 0.0
        self._kept_at = time.monotonic()
        self._flushing: asyncio.Task[None] | None = None

    @property
    def text(self) -> str:
        if len(self._parts) > 1:
            self._parts[:] = ["".join(self._parts)]
        return self._parts[0] if self._parts else ""

    def write(self, text: str) -> None:
        # Neither PostgreSQL nor Redis takes what cannot be stored, and offsets count what readers get.
        self._parts.append(storable(text))
        if self._flushing is None or self._flushing.done():
            self._flushing = asyncio.create_task(self._flush_soon())

    def begin(self, number: int) -> None:
        """Another attempt's text follows, after this one was closed."""
        self._number = number
        self._parts.clear()
        self._sent = self._kept = 0

    async def close(self) -> None:
        """Send what is left. The rest is kept by whatever ends the attempt."""
        if self._flushing is not None:
            await self._flushing
        await self._send()

    async def end(self) -> None:
        """After the attempt was recorded: readers look at its row when they see an entry without text."""
        await self._append(len(self.text), "")

    async def _flush_soon(self) -> None:
        while self._sent < len(self.text):
            await asyncio.sleep(max(0.0, self._flushed_at + FLUSH_SECONDS - time.monotonic()))
            self._flushed_at = time.monotonic()
            await self._send()
            await self._keep()

    async def _send(self) -> None:
        offset, fresh = self._sent, self.text[self._sent :]
        if not fresh:
            return
        self._sent += len(fresh)
        await self._append(offset, fresh)

    async def _append(self, offset: int, text: str) -> None:
        try:
            await self._log.append(str(self._task_id), attempt=self._number, offset=offset, text=text)
        except OutputLogUnavailable:
            # Readers find the text in the attempt row instead, a little later.
            return

    async def _keep(self) -> None:
        due = time.monotonic() - self._kept_at >= CHECKPOINT_SECONDS
        text = self.text
        if due or len(text) - self._kept >= CHECKPOINT_CHARACTERS:
            self._kept, self._kept_at = len(text), time.monotonic()
            try:
                async with self._unit_of_work(self._principal) as uow:
                    await attempt.checkpoint(uow, self._task_id, self._number, text)
            except (SQLAlchemyError, OSError) as error:
                # The vendor goes on writing, and the next checkpoint holds this one's text too.
                log.warning("checkpoint not kept", attempt=self._number, reason=type(error).__name__)
