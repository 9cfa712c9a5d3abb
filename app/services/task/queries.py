"""Reads of tasks: columns, never instances; each for one workspace."""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeAlias
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, Select, String, cast, func, literal, or_, select
from sqlalchemy.dialects.postgresql import ARRAY, JSONB, distinct_on
from sqlalchemy.ext.asyncio import AsyncSession
from sqlalchemy.types import Text

from app import ids
from app.errors import NotFound
from app.models import Task, TaskAttempt, TaskEvent, TaskStatus, TemplateVersion
from app.models.columns import Xid8

COLUMNS = Task.__table__.c  # type: ignore[attr-defined]
ATTEMPT_COLUMNS = TaskAttempt.__table__.c  # type: ignore[attr-defined]
EVENT_COLUMNS = TaskEvent.__table__.c  # type: ignore[attr-defined]
# As read from the table, or as it stood at an event.
Columns: TypeAlias = RowMapping | dict[str, Any]
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


def by_ids(tasks: Collection[UUID]) -> Select[Any]:
    return select(*COLUMNS).where(COLUMNS.id.in_(tasks))


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


def count(wanted: TaskFilter) -> Select[Any]:
    return select(func.count().label("count")).select_from(Task).where(*matching(wanted))


def newest() -> Select[Any]:
    return (
        select(*COLUMNS).where(COLUMNS.workspace_id == func.current_workspace_id()).order_by(COLUMNS.id.desc()).limit(1)
    )


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


def matching(wanted: TaskFilter) -> list[ColumnElement[bool]]:
    conditions: list[ColumnElement[bool]] = [COLUMNS.workspace_id == func.current_workspace_id()]
    if wanted.statuses is not None:
        conditions.append(COLUMNS.status.in_(wanted.statuses))
    if wanted.types is not None:
        conditions.append(COLUMNS.type.in_(wanted.types))
    if wanted.worker_id is not None:
        conditions.append(COLUMNS.worker_id == wanted.worker_id)
    if wanted.template_id is not None:
        versions = select(_VERSION.id).where(_VERSION.template_id == wanted.template_id)
        conditions.append(COLUMNS.template_version_id.in_(versions))
    if wanted.tags is not None:
        conditions.append(COLUMNS.tags.contains(cast(list(wanted.tags), ARRAY(Text))))
    if wanted.error_codes is not None:
        conditions.append(COLUMNS.error["code"].astext.in_(wanted.error_codes))
    if wanted.search:
        in_tags = cast(wanted.search, String) == func.any(COLUMNS.tags)
        conditions.append(or_(COLUMNS.type.icontains(wanted.search, autoescape=True), in_tags))
    if wanted.input_contains is not None:
        conditions.append(COLUMNS.input.contains(cast(wanted.input_contains, JSONB)))
    return conditions + _between(wanted)


def _between(wanted: TaskFilter) -> list[ColumnElement[bool]]:
    """The times are exclusive."""
    bounds = (
        (COLUMNS.created_at, wanted.created_after, wanted.created_before),
        (COLUMNS.finished_at, wanted.finished_after, wanted.finished_before),
    )
    after = [column > moment for column, moment, _ in bounds if moment is not None]
    before = [column < moment for column, _, moment in bounds if moment is not None]
    return after + before


async def get_for_update(session: AsyncSession, task_id: UUID) -> RowMapping:
    """The task's columns, its row locked until the end of the transaction. Raises NotFound."""
    statement = by_ids([task_id]).with_for_update()
    row: RowMapping | None = (await session.execute(statement)).mappings().one_or_none()
    if row is None:
        raise NotFound("Task", ids.encode(ids.TASK, task_id))
    return row
