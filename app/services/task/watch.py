"""What a subscriber sees: everything that happened to a task or in a workspace, in order, nothing twice."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from dataclasses import dataclass, replace
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping
from sqlalchemy.ext.asyncio import AsyncEngine

from app import clock, ids
from app.db.reader import Reader
from app.errors import NotFound
from app.events.follow import follow
from app.events.subscription import FeedStopped, Lagged
from app.models import TaskEventKind, TaskStatus
from app.principal import Permission, Principal
from app.services.task import queries
from app.services.task.lifecycle import TERMINAL
from app.services.task.log import Cursor, LoggedEvent, Position, TaskFeed, log_head
from app.services.task.queries import TaskFilter

_CANCELING = {TaskEventKind.CANCEL_REQUESTED, TaskEventKind.CANCELED}
RESUME_WINDOW = timedelta(hours=72)


@dataclass(frozen=True, slots=True)
class Seen:
    """An event as a subscriber gets it. `task` is the task as it stood then; None only in an empty workspace."""

    cursor: Cursor
    seq: int
    kind: TaskEventKind
    data: dict[str, Any]
    task: dict[str, Any] | None
    gap: bool = False

    @property
    def is_end(self) -> bool:
        return self.kind.value in TERMINAL


class Watcher:
    """The subscriptions of one caller."""

    def __init__(self, engine: AsyncEngine, feed: TaskFeed, principal: Principal) -> None:
        self._engine = engine
        self._feed = feed
        self._principal = principal
        self._reader = Reader(engine, principal, keep=False)

    async def task(self, task_id: UUID, after: str | None) -> AsyncGenerator[Seen, None]:
        """One task: a snapshot or what was missed, then live, until its terminal event. Raises NotFound."""
        self._principal.require(Permission.TASK_READ)
        cursor = Cursor.decode(after) if after is not None else None
        workspace_id = self._principal.workspace_id
        # Subscribe before reading: what happens in between is in both, and dropped by its seq.
        async with self._feed.subscribe(workspace_id) as live:
            task = await self._task(task_id)
            if cursor is None or _too_old(cursor):
                yield _snapshot(task, gap=cursor is not None)
                seq = task["event_seq"]
            else:
                seq = await self._seq_at(task_id, cursor.position)
            ended = task["status"] in TERMINAL and seq >= task["event_seq"]
            while not ended:
                # What the log has beyond seq: after a resume, or after this client fell behind.
                for event in await self._reader.rows(queries.events_after(task_id, seq)):
                    seen = await self._seen(LoggedEvent.from_row(event))
                    yield seen
                    seq, ended = seen.seq, seen.is_end
                try:
                    while not ended:
                        entry = await live.get()
                        if entry.position.task_id == task_id and entry.position.seq > seq:
                            seen = await self._seen(entry)
                            yield seen
                            seq, ended = seen.seq, seen.is_end
                except Lagged:
                    # Live again first, then read: what happens in between is in both.
                    self._feed.rejoin(workspace_id, live)
                except FeedStopped:
                    return

    async def workspace(self, wanted: TaskFilter, after: str | None) -> AsyncGenerator[Seen, None]:
        """The whole workspace: an opening event with the present cursor, or what was missed; then live."""
        self._principal.require(Permission.TASK_READ)
        cursor = Cursor.decode(after) if after is not None else None
        if cursor is None or _too_old(cursor):
            head = await log_head(self._engine, self._principal.workspace_id)
            yield await self._opening(head, gap=cursor is not None)
            position = head
        else:
            position = cursor.position
        async with aclosing(follow(self._feed, self._principal.workspace_id, position)) as events:
            async for event in events:
                if await self._wants(wanted, event):
                    yield await self._seen(event)

    async def _task(self, task_id: UUID) -> RowMapping:
        task = await self._reader.row(queries.by_ids([task_id]))
        if task is None:
            raise NotFound("Task", ids.encode(ids.TASK, task_id), ("taskId",))
        return task

    async def _seq_at(self, task_id: UUID, position: Position) -> int:
        """How far the task was at a position, which may be another task's."""
        if position.task_id == task_id:
            return position.seq
        row = await self._reader.row(queries.last_seq_before(task_id, position.xid, position.task_id))
        return row["seq"] if row is not None and row["seq"] is not None else 0

    async def _opening(self, head: Position, *, gap: bool) -> Seen:
        """Stands at the head of the log and shows the newest task, if there is one."""
        newest = await self._reader.row(queries.newest())
        seq = newest["event_seq"] if newest is not None else 0
        task = dict(newest) if newest is not None else None
        return Seen(Cursor(head, clock.now()), seq, TaskEventKind.SNAPSHOT, {}, task, gap)

    async def _wants(self, wanted: TaskFilter, event: LoggedEvent) -> bool:
        if wanted.statuses is not None and event.status not in wanted.statuses:
            return False
        rest = replace(wanted, statuses=None)
        if rest == TaskFilter():
            return True
        statement = queries.by_ids([event.position.task_id]).where(*queries.matching(rest))
        return await self._reader.row(statement) is not None

    async def _seen(self, event: LoggedEvent) -> Seen:
        task = await self._task(event.position.task_id)
        return Seen(event.cursor, event.position.seq, event.kind, event.data, as_of(task, event))


def as_of(task: RowMapping | dict[str, Any], event: LoggedEvent) -> dict[str, Any]:
    """The task as it stood right after the event. What came later is taken back; the rest never changes."""
    if task["event_seq"] == event.position.seq:
        return dict(task)
    ended = event.status in TERMINAL
    attempts_ended = event.attempt - (event.status == TaskStatus.RUNNING)
    next_attempt_at = event.data.get("nextAttemptAt")
    return {
        **task,
        "status": event.status,
        "attempt": event.attempt,
        "version": event.position.seq,
        "event_seq": event.position.seq,
        "error": event.data.get("error"),
        "output": task["output"] if event.status == TaskStatus.SUCCEEDED else None,
        "progress": 1.0 if event.status == TaskStatus.SUCCEEDED else None,
        "finished_at": event.at if ended else None,
        "started_at": task["started_at"] if event.attempt else None,
        "run_at": datetime.fromisoformat(next_attempt_at) if next_attempt_at else None,
        "cancel_requested_at": task["cancel_requested_at"] if event.kind in _CANCELING else None,
        # The log does not say what the earlier ones of several attempts cost.
        "cost_micros": task["cost_micros"] if attempts_ended > 0 else 0,
    }


def _snapshot(task: RowMapping, *, gap: bool) -> Seen:
    position = Position(task["event_xid"], task["id"], task["event_seq"])
    return Seen(Cursor(position, clock.now()), task["event_seq"], TaskEventKind.SNAPSHOT, {}, dict(task), gap)


def _too_old(cursor: Cursor) -> bool:
    return cursor.at < clock.now() - RESUME_WINDOW
