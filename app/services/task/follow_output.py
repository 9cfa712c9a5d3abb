"""The text that a task's model is writing, as a reader follows it: chunks with offsets, whatever Redis loses."""

from collections.abc import AsyncGenerator
from dataclasses import dataclass
from uuid import UUID

from app import ids
from app.db.reader import Reader
from app.errors import InvalidInput, NotFound
from app.events.hub import Hub
from app.events.output import BEGINNING, OutputEntry, OutputLog, OutputLogUnavailable, output_channel
from app.services.task import queries
from app.services.task.lifecycle import TERMINAL

POLL_SECONDS = 1.0
FIRST_ATTEMPT = 1
_NOTHING = 0


@dataclass(frozen=True, slots=True)
class Chunk:
    """`offset` counts characters of the attempt's text. `reset`: forget what came before and begin with this."""

    attempt: int
    offset: int
    text: str
    reset: bool = False
    done: bool = False


class _Assembly:
    """The text of the latest attempt, as far as this process knows it, and what the reader has: so many characters of
    the attempt `held`."""

    def __init__(self, held: int, from_offset: int) -> None:
        self._attempt = 0
        self._text = ""
        self._held = held
        self._sent = from_offset
        self._beyond_hole: list[OutputEntry] = []

    def add(self, entry: OutputEntry) -> bool:
        """Take a piece from the live log, which is read once from its start. False: something before it is missing."""
        if entry.attempt > self._attempt:
            self._begin(entry.attempt)
        if entry.attempt < self._attempt or not entry.text:
            return True
        if entry.offset > len(self._text):
            self._beyond_hole.append(entry)
            return False
        self._text += entry.text[len(self._text) - entry.offset :]
        return True

    def adopt(self, attempt: int, text: str, *, final: bool) -> None:
        """Take the attempt's row: a checkpoint that may lag behind the log, or the final text."""
        if attempt > self._attempt:
            self._begin(attempt)
        if attempt == self._attempt and text.startswith(self._text):
            self._text = text
            waiting, self._beyond_hole = self._beyond_hole, []
            # Of a final text no piece is missing.
            for entry in () if final else waiting:
                self.add(entry)
        elif final:
            # Somebody went on writing who had lost the task.
            self._begin(attempt)
            self._text, self._held = text, _NOTHING

    def news(self, *, ended: bool) -> Chunk | None:
        """What the reader does not have yet."""
        if self._attempt < self._held and not ended:
            # It has seen more than is known here so far.
            return None
        reset = self._sent > 0 and (self._held != self._attempt or self._sent > len(self._text))
        if not reset and self._sent == len(self._text):
            return None
        offset = 0 if reset else self._sent
        self._held, self._sent = self._attempt, len(self._text)
        return Chunk(self._attempt, offset, self._text[offset:], reset=reset)

    def end(self) -> Chunk:
        return Chunk(self._attempt, len(self._text), "", done=True)

    def _begin(self, attempt: int) -> None:
        self._attempt, self._text = attempt, ""
        self._beyond_hole = []


async def follow_output(
    reader: Reader, hub: Hub, log: OutputLog, task_id: UUID, attempt: int, from_offset: int
) -> AsyncGenerator[Chunk, None]:
    """Chunks after the first `from_offset` characters of `attempt`, until the task has ended, then one with `done`.

    Raises NotFound, or InvalidInput for the offset or the attempt.
    """
    if from_offset < 0:
        raise InvalidInput("fromOffset cannot be negative.", ("fromOffset",))
    if attempt < FIRST_ATTEMPT:
        raise InvalidInput(f"attempt is {FIRST_ATTEMPT} or more.", ("attempt",))
    text = _Assembly(attempt, from_offset)
    last_id = BEGINNING
    async with hub.listen(output_channel(str(task_id))) as wakeups:
        look_at_row, waited = True, False
        while True:
            try:
                entries = await log.read_after(str(task_id), last_id)
            except OutputLogUnavailable:
                entries = []
            # Woken for nothing, or not at all: the row may know more.
            look_at_row |= waited and not entries
            for entry in entries:
                last_id = entry.id
                # An entry without text says that the attempt has ended.
                look_at_row |= not text.add(entry) or not entry.text
            ended = look_at_row and await _adopt_row(reader, task_id, text)
            if not entries or ended:
                if (chunk := text.news(ended=ended)) is not None:
                    yield chunk
                if ended:
                    yield text.end()
                    return
                await wakeups.wait(POLL_SECONDS)
            look_at_row, waited = False, not entries


async def _adopt_row(reader: Reader, task_id: UUID, text: _Assembly) -> bool:
    """Whether the task has ended."""
    row = await reader.row(queries.outputs_of(task_id))
    if row is None:
        raise NotFound("Task", ids.encode(ids.TASK, task_id), ("taskId",))
    ended = row["status"] in TERMINAL
    if row["number"] is not None:
        text.adopt(row["number"], row["output_text"], final=ended)
    return ended
