"""Moves a task: compare-and-set on its row and its event in the log, in one statement."""

from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, func, insert, literal, select, update
from sqlalchemy.dialects.postgresql import JSONB

from app.models import Task, TaskEvent, TaskEventKind, TaskStatus
from app.models.columns import Xid8
from app.services.task.lifecycle import TRANSITIONS
from app.unit_of_work import UnitOfWork

_TASK = Task.__table__  # type: ignore[attr-defined]
_EVENT = TaskEvent.__table__  # type: ignore[attr-defined]
# Two transactions may take turns on a row in the other order than they got their ids: an event never sorts
# before its predecessor.
next_xid = func.greatest(_TASK.c.event_xid, func.pg_current_xact_id(type_=Xid8), type_=Xid8)


async def apply(
    uow: UnitOfWork,
    task_id: UUID,
    kind: TaskEventKind,
    *,
    data: dict[str, Any],
    values: dict[str, Any] | None = None,
    attempt: int | None = None,
    sources: frozenset[TaskStatus] | None = None,
) -> RowMapping | None:
    """The task after the event, or None where the event could not happen: somebody else was first.

    `attempt` is the fencing token of a worker: with it, the event happens only while that attempt is the present
    one. `sources` narrows the states the event may come from; `values` are further columns to set.
    """
    transition = TRANSITIONS[kind]
    changed = (
        update(_TASK)
        .where(
            _TASK.c.id == task_id,
            _TASK.c.workspace_id == uow.principal.workspace_id,
            _TASK.c.status.in_(sources if sources is not None else transition.sources),
            *([_TASK.c.attempt == attempt] if attempt is not None else []),
        )
        .values(
            status=transition.target,
            version=_TASK.c.version + 1,
            event_seq=_TASK.c.event_seq + 1,
            event_xid=next_xid,
            **(values or {}),
        )
        .returning(*_TASK.c)
        .cte("changed")
    )
    logged = (
        insert(_EVENT)
        .from_select(
            ["task_id", "seq", "workspace_id", "xid", "kind", "status", "attempt", "data", "at"],
            select(
                changed.c.id,
                changed.c.event_seq,
                changed.c.workspace_id,
                changed.c.event_xid,
                literal(kind.value),
                changed.c.status,
                changed.c.attempt,
                literal(data, JSONB),
                literal(uow.now),
            ),
        )
        .cte("logged")
    )
    row = (await uow.session.execute(select(changed).add_cte(logged))).mappings().one_or_none()
    if row is not None:
        uow.log_events()
    return row
