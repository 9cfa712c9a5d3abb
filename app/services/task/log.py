"""The event log of the workspaces: where a reader is in it, and what follows."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from app.db.hot import Hot
from app.errors import InvalidInput
from app.events.feed import Feed
from app.events.hub import Hub
from app.models import TaskEventKind, TaskStatus
from app.services.routing.decide import ceiling_of
from app.services.task.lifecycle import TERMINAL
from app.services.task.queries import Columns
from app.unit_of_work import workspace_channel

PAGE = 500
_VERSION = "1"
_CANCELING = {TaskEventKind.CANCEL_REQUESTED, TaskEventKind.CANCELED}


class Position(NamedTuple):
    """A place in a workspace's log. Its order is the order of the log."""

    xid: int
    task_id: UUID
    seq: int


BEGINNING = Position(0, UUID(int=0), 0)


@dataclass(frozen=True, slots=True)
class Cursor:
    """A position and when it was, in milliseconds, as a client keeps it."""

    position: Position
    at: datetime

    def encode(self) -> str:
        xid, task_id, seq = self.position
        plain = f"{_VERSION}.{xid:x}.{task_id.hex}.{seq:x}.{round(self.at.timestamp() * 1000):x}"
        return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")

    @classmethod
    def decode(cls, text: str) -> "Cursor":
        """Raises InvalidInput for what is not a cursor of ours."""
        try:
            plain = base64.b64decode(text + "=" * (-len(text) % 4), altchars=b"-_", validate=True).decode()
            version, xid, task_id, seq, at = plain.split(".")
            position = Position(int(xid, 16), UUID(hex=task_id), int(seq, 16))
            if version != _VERSION or not (0 <= position.xid < 2**63 and 0 <= position.seq < 2**31):
                raise ValueError
            return cls(position, datetime.fromtimestamp(int(at, 16) / 1000, UTC))
        except (binascii.Error, ValueError, OverflowError, OSError):
            raise InvalidInput("after is not a cursor of a task event.", ("after",)) from None


@dataclass(frozen=True)
class Seen:
    """An event as a subscriber gets it. `task` is the task as it stood then; None only in an empty workspace.

    All subscribers of this process get the same object: `shared` is where they keep what they make of it.
    """

    cursor: Cursor
    seq: int
    kind: TaskEventKind
    data: dict[str, Any]
    task: Columns | None
    gap: bool = False
    shared: dict[Any, Any] = field(default_factory=dict, repr=False, compare=False)

    @property
    def is_end(self) -> bool:
        return self.kind.value in TERMINAL


@dataclass(frozen=True)
class LoggedEvent:
    """A row of the log, with its task's row as it was read after it. `key` is the workspace."""

    key: UUID
    position: Position
    kind: TaskEventKind
    status: TaskStatus
    attempt: int
    data: dict[str, Any]
    at: datetime
    task: Columns = field(repr=False, compare=False)

    @classmethod
    def of(cls, row: Columns, task: Columns) -> "LoggedEvent":
        return cls(
            key=row["workspace_id"],
            position=Position(row["xid"], row["task_id"], row["seq"]),
            kind=TaskEventKind(row["kind"]),
            status=TaskStatus(row["status"]),
            attempt=row["attempt"],
            data=row["data"],
            at=row["at"],
            task=task,
        )

    @cached_property
    def seen(self) -> Seen:
        return Seen(Cursor(self.position, self.at), self.position.seq, self.kind, self.data, as_of(self.task, self))


def as_of(task: Columns, event: LoggedEvent) -> Columns:
    """The task as it stood right after the event. What came later is taken back; the rest never changes."""
    next_attempt_at = event.data.get("nextAttemptAt")
    run_at = datetime.fromisoformat(next_attempt_at) if next_attempt_at else None
    if task["event_seq"] == event.position.seq:
        return {**task, "run_at": run_at} if run_at is not None else task
    ended = event.status in TERMINAL
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
        "run_at": run_at,
        "cancel_requested_at": task["cancel_requested_at"] if event.kind in _CANCELING else None,
        "cost_micros": task["cost_micros"] if ended else 0,
        "reserved_micros": 0 if ended or _unfunded(event) else ceiling_of(task["routing"]),
    }


def _unfunded(event: LoggedEvent) -> bool:
    return event.kind is TaskEventKind.CREATED and event.status == TaskStatus.WAITING


TaskFeed = Feed[UUID, LoggedEvent]
_READ = "SELECT * FROM read_task_events($1, $2, $3, $4, $5)"
_READ_TASKS = "SELECT * FROM read_tasks($1)"
_HEAD = "SELECT * FROM task_events_head($1)"


def task_feed(hot: Hot, hub: Hub) -> TaskFeed:
    """The process's shared tail of the log. It reads for every workspace that somebody here watches."""

    async def read_log(places: Mapping[UUID, Any], page: int) -> Sequence[LoggedEvent]:
        xids, tasks, seqs = (list(column) for column in zip(*places.values(), strict=True))
        rows = await hot.call(_READ, list(places), xids, tasks, seqs, page)
        if not rows:
            return []
        # In a snapshot that is not older, so each task is as it stands after its event, or later.
        found = {task["id"]: task for task in await hot.call(_READ_TASKS, list({row["task_id"] for row in rows}))}
        return [LoggedEvent.of(row, found[row["task_id"]]) for row in rows]

    async def read_head(workspace_id: UUID) -> Position:
        return await log_head(hot, workspace_id)

    return Feed(hub, read_log, read_head, channel_of=workspace_channel, page=PAGE)


async def log_head(hot: Hot, workspace_id: UUID) -> Position:
    """The last position that a reader may have seen by now: nothing below it can still appear."""
    rows = await hot.call(_HEAD, workspace_id)
    return Position(rows[0]["xid"], rows[0]["task_id"], rows[0]["seq"]) if rows else BEGINNING
