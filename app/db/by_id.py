"""Rows by id: what all requests of a workspace ask for in one tick of the loop is one statement."""

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass, field
from uuid import UUID

from app.db.hot import Hot, Row
from app.principal import Principal


@dataclass(frozen=True, slots=True)
class Kind:
    """`sql` selects the rows whose `key` is in $1, an array. Whoever is in a workspace sees the same of them."""

    sql: str
    key: str = "id"


@dataclass(slots=True)
class _Batch:
    caller: Principal
    kind: Kind
    waiting: dict[UUID, list["asyncio.Future[Row | None]"]] = field(default_factory=dict)


class ById:
    """One a process."""

    def __init__(self, hot: Hot) -> None:
        self._hot = hot
        self._batches: dict[tuple[UUID, Kind], _Batch] = {}
        self._under_way: set[asyncio.Task[None]] = set()

    async def load(self, caller: Principal, kind: Kind, key: UUID) -> Row | None:
        """None where there is no such row that this caller may see. Raises what Hot.fetch does."""
        loop = asyncio.get_running_loop()
        which = (caller.workspace_id, kind)
        batch = self._batches.get(which)
        if batch is None:
            batch = self._batches[which] = _Batch(Principal.system(caller.workspace_id), kind)
            loop.call_soon(self._send, which)
        # One each: whoever goes away takes nobody else's answer along.
        answer: asyncio.Future[Row | None] = loop.create_future()
        batch.waiting.setdefault(key, []).append(answer)
        return await answer

    def _send(self, which: tuple[UUID, Kind]) -> None:
        task = asyncio.get_running_loop().create_task(self._fetch(self._batches.pop(which)))
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _fetch(self, batch: _Batch) -> None:
        try:
            rows: Sequence[Row] = await self._hot.fetch(batch.caller, batch.kind.sql, list(batch.waiting))
        except Exception as error:
            for answer in _unanswered(batch):
                answer.set_exception(error)
            return
        found = {row[batch.kind.key]: row for row in rows}
        for key, answers in batch.waiting.items():
            row = found.get(key)
            for answer in answers:
                if not answer.done():
                    answer.set_result(row)


def _unanswered(batch: _Batch) -> list["asyncio.Future[Row | None]"]:
    return [answer for answers in batch.waiting.values() for answer in answers if not answer.done()]
