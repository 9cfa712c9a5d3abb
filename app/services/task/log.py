"""The event log of the workspaces: where a reader is in it, and what follows."""

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from functools import cached_property
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Integer, RowMapping, bindparam, text
from sqlalchemy import Uuid as UuidType
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import InvalidInput
from app.events.feed import Feed
from app.events.hub import Hub
from app.models import TaskEventKind, TaskStatus
from app.models.columns import Xid8
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
    def of(cls, row: RowMapping, task: Columns) -> "LoggedEvent":
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
_READ = text("SELECT * FROM read_task_events(:workspaces, :xids, :tasks, :seqs, :page)").bindparams(
    bindparam("workspaces", type_=ARRAY(UuidType)),
    bindparam("xids", type_=ARRAY(Xid8)),
    bindparam("tasks", type_=ARRAY(UuidType)),
    bindparam("seqs", type_=ARRAY(Integer)),
)
_READ_TASKS = text("SELECT * FROM read_tasks(:ids)").bindparams(bindparam("ids", type_=ARRAY(UuidType)))
_HEAD = text("SELECT * FROM task_events_head(:workspace)")


def task_feed(engine: AsyncEngine, hub: Hub) -> TaskFeed:
    """The process's shared tail of the log. It reads for every workspace that somebody here watches."""

    async def read_log(places: Mapping[UUID, Any], page: int) -> Sequence[LoggedEvent]:
        positions = list(places.values())
        values = {
            "workspaces": list(places),
            "xids": [position[0] for position in positions],
            "tasks": [position[1] for position in positions],
            "seqs": [position[2] for position in positions],
            "page": page,
        }
        async with engine.connect() as connection:
            rows = (await connection.execute(_READ, values)).mappings().all()
            if not rows:
                return []
            # In a snapshot that is not older, so each task is as it stands after its event, or later.
            found = await connection.execute(_READ_TASKS, {"ids": list({row["task_id"] for row in rows})})
            tasks = {task["id"]: task for task in found.mappings()}
        return [LoggedEvent.of(row, tasks[row["task_id"]]) for row in rows]

    async def read_head(workspace_id: UUID) -> Position:
        return await log_head(engine, workspace_id)

    return Feed(hub, read_log, read_head, channel_of=workspace_channel, page=PAGE)


async def log_head(engine: AsyncEngine, workspace_id: UUID) -> Position:
    """The last position that a reader may have seen by now: nothing below it can still appear."""
    async with engine.connect() as connection:
        row = (await connection.execute(_HEAD, {"workspace": workspace_id})).one_or_none()
    return Position(row.xid, row.task_id, row.seq) if row else BEGINNING
