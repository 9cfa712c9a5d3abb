"""Brings a task back that ended without success."""

from uuid import UUID

from sqlalchemy import RowMapping

from app.errors import InvalidState
from app.models import Task, TaskEventKind, TaskStatus
from app.principal import Permission
from app.services.routing.decide import ceiling_of
from app.services.task import queries, transition
from app.services.task.funding import hold
from app.unit_of_work import UnitOfWork

REVIVABLE = frozenset({TaskStatus.FAILED, TaskStatus.CANCELED, TaskStatus.EXPIRED})
_TASK = Task.__table__  # type: ignore[attr-defined]


async def retry_task(uow: UnitOfWork, task_id: UUID) -> RowMapping:
    """The task, queued again with all its attempts before it and its history kept.

    Credits are held for it anew, on the terms that it was accepted on: raises InsufficientCredits or BudgetExceeded.
    """
    uow.principal.require(Permission.TASK_RETRY)
    task = await queries.get_for_update(uow.session, task_id)
    if task["status"] not in REVIVABLE:
        raise InvalidState(
            f"The task is {task['status']}; only a failed, canceled or expired one can be retried.", ("id",)
        )
    ceiling = ceiling_of(task["routing"])
    after = await transition.apply(
        uow,
        task_id,
        TaskEventKind.QUEUED,
        data={"reason": "retry"},
        values={
            "attempts_before": _TASK.c.attempt,
            "error": None,
            "finished_at": None,
            "run_at": None,
            "expires_at": None,
            "cancel_requested_at": None,
            "cancel_reason": None,
            "spent_micros": 0,
            "reserved_micros": ceiling,
            "holds": _TASK.c.holds + 1,
        },
        sources=REVIVABLE,
    )
    if after is None:
        raise InvalidState("The task changed at this moment; look at it again.", ("id",))
    await hold(uow, after, ceiling)
    uow.queue_tasks(1)
    return after
