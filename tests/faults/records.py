"""The truth: what the database says about the tasks of a workspace, asked by its owner, past the service."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime
from typing import Any, NamedTuple
from uuid import UUID

import asyncpg
import orjson

from app import ids
from tests.faults.waiting import PATIENCE_SECONDS, until

ENDS = ("SUCCEEDED", "FAILED", "CANCELED", "EXPIRED")
_TASKS = "SELECT id, status, attempt, attempts_before FROM tasks WHERE workspace_id = $1 ORDER BY id"
_EVENTS = "SELECT task_id, seq, kind, attempt, data, at FROM task_events WHERE workspace_id = $1 ORDER BY task_id, seq"
_ATTEMPTS = "SELECT task_id, number, status FROM task_attempts WHERE workspace_id = $1 ORDER BY task_id, number"
_STATES = "SELECT status, attempt, count(*) FROM tasks WHERE workspace_id = $1 GROUP BY 1, 2"
_COPY = """
WITH made AS (
  INSERT INTO tasks (id, workspace_id, type, status, input, complexity, routing, template_version_id, event_seq)
  SELECT gen_random_uuid(), workspace_id, type, 'QUEUED', input, complexity, routing, template_version_id, 1
  FROM tasks, generate_series(1, $2::int) WHERE id = $1 RETURNING *)
INSERT INTO task_events (task_id, seq, workspace_id, xid, kind, status, attempt, data, at)
SELECT id, 1, workspace_id, event_xid, 'CREATED', status, 0, '{}', clock_timestamp() FROM made"""


class Logged(NamedTuple):
    """As a subscriber knows it; `task` is the public id."""

    task: str
    seq: int
    kind: str


@dataclass(frozen=True, slots=True)
class Event:
    seq: int
    kind: str
    attempt: int
    data: dict[str, Any]
    at: datetime


@dataclass(frozen=True, slots=True)
class Record:
    """A task with its history. `attempts` are (number, status), `given_back` those that did not count."""

    id: str
    status: str
    attempt: int
    given_back: int
    events: list[Event]
    attempts: list[tuple[int, str]]

    @property
    def logged(self) -> list[Logged]:
        return [Logged(self.id, event.seq, event.kind) for event in self.events]

    def started(self, attempt: int) -> datetime:
        """When."""
        return next(event.at for event in self.events if (event.kind, event.attempt) == ("STARTED", attempt))

    def check_ended_well(self) -> None:
        """It succeeded once, with its last attempt, and its history has neither holes nor leftovers."""
        kinds = [event.kind for event in self.events]
        numbers = list(range(1, self.attempt + 1))
        assert [event.seq for event in self.events] == list(range(1, len(kinds) + 1)), self
        assert [kind for kind in kinds if kind in ENDS] == kinds[-1:] == [self.status] == ["SUCCEEDED"], self
        assert [event.attempt for event in self.events if event.kind == "STARTED"] == numbers, self
        assert self.events[-1].attempt == self.attempt, self
        assert [number for number, _ in self.attempts] == numbers, self
        assert [number for number, status in self.attempts if status == "SUCCEEDED"] == [self.attempt], self
        assert "RUNNING" not in [status for _, status in self.attempts], self


class Records:
    """One workspace's. Each question opens a connection of its own, as the server may have been restarted."""

    def __init__(self, owner_url: str, workspace_id: UUID) -> None:
        self.owner_url = owner_url
        self.workspace_id = workspace_id

    async def all(self) -> list[Record]:
        """Oldest first."""
        tasks, events, attempts = [await self._rows(statement) for statement in (_TASKS, _EVENTS, _ATTEMPTS)]
        logged, tried = defaultdict[UUID, list[Event]](list), defaultdict[UUID, list[tuple[int, str]]](list)
        for row in events:
            data = orjson.loads(row["data"])
            logged[row["task_id"]].append(Event(row["seq"], row["kind"], row["attempt"], data, row["at"]))
        for row in attempts:
            tried[row["task_id"]].append((row["number"], row["status"]))
        return [
            Record(ids.encode(ids.TASK, id_), status, attempt, before, logged[id_], tried[id_])
            for id_, status, attempt, before in tasks
        ]

    async def ended_well(
        self, expected: Iterable[str] | None = None, seconds: float = PATIENCE_SECONDS
    ) -> list[Record]:
        """All of them, as soon as all have ended, each checked. `expected` ids are there and no others."""
        await until(self._all_ended, f"all tasks ended in {self.workspace_id}", seconds)
        records = await self.all()
        for record in records:
            record.check_ended_well()
        if expected is not None:
            assert [record.id for record in records] == sorted(expected)
        return records

    async def states(self) -> Counter[tuple[str, int]]:
        """How many tasks have this status and attempt."""
        return Counter({(status, attempt): count for status, attempt, count in await self._rows(_STATES)})

    async def purse(self) -> tuple[int, int]:
        """What the workspace has, and what is held for its tasks, in micro-credits."""
        ((available, held),) = await self._rows("SELECT credits_micros, reserved_micros FROM workspaces WHERE id = $1")
        return available, held

    async def charged(self) -> int:
        """For all of its tasks, in micro-credits."""
        ((micros,),) = await self._rows(
            "SELECT coalesce(sum(cost_micros), 0)::bigint FROM tasks WHERE workspace_id = $1"
        )
        return int(micros)

    async def copy_without_announcing(self, task: str, copies: int) -> datetime:
        """As if whoever accepted them had died between commit and announcement. Returns when they were committed."""
        connection = await asyncpg.connect(self.owner_url)
        try:
            await connection.execute(_COPY, ids.decode(ids.TASK, task), copies)
            committed_at: datetime = await connection.fetchval("SELECT clock_timestamp()")
        finally:
            await connection.close()
        return committed_at

    async def _all_ended(self) -> bool:
        return {status for status, _ in await self.states()} <= set(ENDS)

    async def _rows(self, statement: str, *more: str) -> list[asyncpg.Record]:
        connection = await asyncpg.connect(self.owner_url)
        try:
            return await connection.fetch(statement, self.workspace_id, *more)
        finally:
            await connection.close()


def by_task(events: Iterable[Logged]) -> dict[str, list[Logged]]:
    """Each task's events in the order given: equal only if none is missing, doubled or misplaced."""
    grouped = defaultdict[str, list[Logged]](list)
    for event in events:
        grouped[event.task].append(event)
    return dict(grouped)
