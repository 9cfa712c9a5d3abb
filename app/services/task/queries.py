"""Reads of tasks: columns, never instances; each for one workspace."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import RowMapping, Select, func, literal, or_, select
from sqlalchemy.dialects.postgresql import distinct_on
from sqlalchemy.ext.asyncio import AsyncSession

from app import ids
from app.errors import NotFound
from app.models import Task, TaskAttempt, TaskEvent, TaskStatus, TemplateVersion
from app.models.columns import Xid8

COLUMNS = Task.__table__.c  # type: ignore[attr-defined]
ATTEMPT_COLUMNS = TaskAttempt.__table__.c  # type: ignore[attr-defined]
EVENT_COLUMNS = TaskEvent.__table__.c  # type: ignore[attr-defined]
# As read from the table, or as it stood at an event.
Columns: TypeAlias = Mapping[Any, Any]
# Between the clocks of the processes that wrote a task's row and its events.
CLOCK_SKEW = timedelta(hours=1)
_VERSION = TemplateVersion.__table__.c  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class TaskFilter:
    """Every condition given must hold; `search` looks for a part of the type or a tag."""

    statuses: tuple[TaskStatus, ...] | None = None
    types: tuple[str, ...] | None = None
    worker_id: UUID | None = None
    template_id: UUID | None = None
    tags: tuple[str, ...] | None = None
    created_after: datetime | None = None
    created_before: datetime | None = None
    finished_after: datetime | None = None
    finished_before: datetime | None = None
    error_codes: tuple[str, ...] | None = None
    search: str | None = None
    input_contains: Any = None


BY_IDS = "SELECT * FROM tasks WHERE workspace_id = (SELECT current_workspace_id()) AND id = ANY ($1::uuid[])"
NEWEST = "SELECT * FROM tasks WHERE workspace_id = (SELECT current_workspace_id()) ORDER BY id DESC LIMIT 1"


def attempts_of(task_id: UUID) -> Select[Any]:
    wanted = [column for column in ATTEMPT_COLUMNS if column.name != "output_text"]
    return select(*wanted).where(ATTEMPT_COLUMNS.task_id == task_id)


def events_of(task: Columns) -> Select[Any]:
    """The log of a task, of which `id` and `created_at` are needed: older partitions are not looked at."""
    since = task["created_at"] - CLOCK_SKEW
    return select(*EVENT_COLUMNS).where(EVENT_COLUMNS.task_id == task["id"], EVENT_COLUMNS.at >= since)


def events_after(task: Columns, seq: int) -> Select[Any]:
    return events_of(task).where(EVENT_COLUMNS.seq > seq).order_by(EVENT_COLUMNS.seq)


def last_seq_before(task: Columns, xid: int, other_task_id: UUID) -> Select[Any]:
    """The task's last event that comes before an event of another task in the log."""
    earlier = EVENT_COLUMNS.xid < literal(xid, Xid8)
    beside = (EVENT_COLUMNS.xid == literal(xid, Xid8)) & (EVENT_COLUMNS.task_id < other_task_id)
    seq = func.max(EVENT_COLUMNS.seq).label("seq")
    return events_of(task).with_only_columns(seq).where(earlier | beside)


def outputs_of(task_id: UUID) -> Select[Any]:
    """Where the task stands, and the text of its latest attempt (null before the first)."""
    latest = partial_outputs([task_id]).subquery()
    return (
        select(COLUMNS.status, COLUMNS.attempt, latest.c.number, latest.c.output_text)
        .outerjoin(latest, latest.c.task_id == COLUMNS.id)
        .where(COLUMNS.id == task_id)
    )


def partial_outputs(tasks: Collection[UUID]) -> Select[Any]:
    """What the latest attempt of each task has written so far."""
    return (
        select(ATTEMPT_COLUMNS.task_id, ATTEMPT_COLUMNS.number, ATTEMPT_COLUMNS.output_text)
        .where(ATTEMPT_COLUMNS.task_id.in_(tasks))
        .ext(distinct_on(ATTEMPT_COLUMNS.task_id))
        .order_by(ATTEMPT_COLUMNS.task_id, ATTEMPT_COLUMNS.number.desc())
    )


def queue_positions(tasks: Collection[UUID]) -> Select[Any]:
    """1 for the task that this workspace's queue starts next; only for those that are due."""
    due = (
        select(
            COLUMNS.id,
            func.row_number().over(order_by=(COLUMNS.priority, COLUMNS.id)).label("position"),
        )
        .where(COLUMNS.status == TaskStatus.QUEUED, or_(COLUMNS.run_at.is_(None), COLUMNS.run_at <= func.now()))
        .where(COLUMNS.workspace_id == func.current_workspace_id())
        .subquery()
    )
    return select(due.c.id, due.c.position).where(due.c.id.in_(tasks))


class Conditions:
    """Of a SELECT from tasks, in the present workspace: SQL with parameters $1, $2 …, and their values."""

    def __init__(self) -> None:
        self._parts = ["workspace_id = (SELECT current_workspace_id())"]
        self.values: list[Any] = []

    def add(self, condition: str, *values: Any) -> None:
        """`{}` in the condition stands for each value, in order."""
        numbers = (f"${len(self.values) + number}" for number in range(1, len(values) + 1))
        self._parts.append(condition.format(*numbers))
        self.values += values

    def is_one_of(self, expression: str, allowed: Sequence[str]) -> None:
        """One alone is compared as such: an index then gives the rows in its order."""
        if len(allowed) == 1:
            self.add(expression + " = {}", allowed[0])
        else:
            self.add(expression + " = ANY ({}::text[])", list(allowed))

    @property
    def sql(self) -> str:
        return " AND ".join(self._parts)


def matching(wanted: TaskFilter) -> Conditions:
    """The times are exclusive."""
    where = Conditions()
    for expression, allowed in (
        ("status", wanted.statuses),
        ("type", wanted.types),
        ("error ->> 'code'", wanted.error_codes),
    ):
        if allowed is not None:
            where.is_one_of(expression, allowed)
    for condition, value in (
        ("worker_id = {}", wanted.worker_id),
        (
            "template_version_id IN (SELECT v.id FROM template_versions v WHERE v.template_id = {})",
            wanted.template_id,
        ),
        ("tags @> {}::text[]", wanted.tags),
        ("input @> {}::jsonb", wanted.input_contains),
        ("created_at > {}", wanted.created_after),
        ("created_at < {}", wanted.created_before),
        ("finished_at > {}", wanted.finished_after),
        ("finished_at < {}", wanted.finished_before),
    ):
        if value is not None:
            where.add(condition, value)
    if wanted.search:
        where.add("(strpos(lower(type), lower({})) > 0 OR {} = ANY (tags))", wanted.search, wanted.search)
    return where


def page(where: Conditions, size: int, *, falling: bool) -> tuple[Any, ...]:
    """A SELECT and its parameters: so many rows in the order of their ids, from the newest where it is `falling`."""
    order = "id DESC" if falling else "id"
    limit = f"${len(where.values) + 1}"
    return f"SELECT * FROM tasks WHERE {where.sql} ORDER BY {order} LIMIT {limit}", *where.values, size  # noqa: S608


def count(where: Conditions) -> str:
    return f"SELECT count(*) AS count FROM tasks WHERE {where.sql}"  # noqa: S608  our own text


async def get_for_update(session: AsyncSession, task_id: UUID) -> RowMapping:
    """The task's columns, its row locked until the end of the transaction. Raises NotFound."""
    statement = select(*COLUMNS).where(COLUMNS.id == task_id).with_for_update()
    row: RowMapping | None = (await session.execute(statement)).mappings().one_or_none()
    if row is None:
        raise NotFound("Task", ids.encode(ids.TASK, task_id))
    return row
