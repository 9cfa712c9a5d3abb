"""The text a running task is writing, live, through one Redis stream for each task.

What is lost here is not lost: the attempt's row holds a checkpoint, and its final output. Entries have the
fields `attempt` and `offset` (decimal; the offset counts characters of that attempt's text) and `text`
(UTF-8).
"""

import asyncio
from dataclasses import dataclass
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import RedisError
from redis.typing import EncodableT, FieldT

TIMEOUT_SECONDS = 0.5
KEEP_SECONDS = 3600
# At 20 chunks a second about four minutes; who comes later begins at the checkpoint.
KEEP_ENTRIES = 5000
PAGE = 500
BEGINNING = "0-0"


class OutputLogUnavailable(Exception):
    """Redis did not answer in time. The checkpoint in the database still does."""


@dataclass(frozen=True, slots=True)
class OutputEntry:
    """`text` stands at `offset` in the output of that attempt; `id` is where to read on."""

    id: str
    attempt: int
    offset: int
    text: str


def output_channel(task_key: str) -> str:
    """The hub channel that is woken by every append."""
    return _key(task_key)


def _key(task_key: str) -> str:
    return f"bizq:output:{task_key}"


class OutputLog:
    """Appends that failed may have happened all the same: readers go by attempt and offset, never by count.

    The oldest entries are dropped: a reader who finds an offset beyond what it has fills the hole from the
    database.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def append(self, task_key: str, *, attempt: int, offset: int, text: str) -> str:
        """Add a chunk, wake its readers, answer its id. Raises OutputLogUnavailable within 0.5 s."""
        key = _key(task_key)
        fields: dict[FieldT, EncodableT] = {"attempt": attempt, "offset": offset, "text": text}
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS), self._redis.pipeline(transaction=False) as pipeline:
                pipeline.xadd(key, fields, maxlen=KEEP_ENTRIES, approximate=True)
                pipeline.expire(key, KEEP_SECONDS)
                pipeline.publish(output_channel(task_key), "")
                identifier, _, _ = await pipeline.execute()
        except (RedisError, OSError) as error:
            raise OutputLogUnavailable(str(error)) from error
        return bytes(identifier).decode()

    async def read_after(self, task_key: str, last_id: str = BEGINNING) -> list[OutputEntry]:
        """At most 500 entries after an id, in order. Raises OutputLogUnavailable within 0.5 s."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                rows = await self._redis.xrange(_key(task_key), min=f"({last_id}", count=PAGE)
        except (RedisError, OSError) as error:
            raise OutputLogUnavailable(str(error)) from error
        # redis-py's annotation covers every protocol and decoding; this is what ours answers.
        return [_entry(*row) for row in cast("list[tuple[bytes, dict[bytes, bytes]]]", rows)]


def _entry(identifier: bytes, fields: dict[bytes, bytes]) -> OutputEntry:
    return OutputEntry(
        id=identifier.decode(),
        attempt=int(fields[b"attempt"]),
        offset=int(fields[b"offset"]),
        text=fields[b"text"].decode(),
    )
