"""A task that waits for a person, another system or credits: what becomes of it when nobody answers in time."""

from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from app.models import Task, TaskEventKind, TaskStatus, TimeoutPolicy
from app.services.task import transition
from app.services.task.attempt import Failure
from app.unit_of_work import UnitOfWork

WAIT_TIMEOUT = "wait_timeout"
_TASK = Task.__table__  # type: ignore[attr-defined]


async def time_out(uow: UnitOfWork, task_id: UUID) -> bool:
    """End a task whose wait is over: CANCELED where its wait says so, else FAILED. False where somebody was first."""
    statement = (
        select(_TASK.c.wait)
        .where(_TASK.c.id == task_id, _TASK.c.status == TaskStatus.WAITING, _TASK.c.wait_until <= func.now())
        .with_for_update()
    )
    row = (await uow.session.execute(statement)).one_or_none()
    if row is None:
        return False
    ended: dict[str, Any] = {"finished_at": uow.now, "wait": None, "wait_until": None}
    if row.wait["on_timeout"] == TimeoutPolicy.CANCEL:
        data: dict[str, Any] = {"reason": WAIT_TIMEOUT}
        return await transition.apply(uow, task_id, TaskEventKind.CANCELED, data=data, values=ended) is not None
    # Nobody decided, and a default or somebody to escalate to would have been acted on before.
    error = Failure(WAIT_TIMEOUT, "Nobody answered in time.", retryable=False).as_json()
    ended["error"] = error
    data = {"error": error}
    return await transition.apply(uow, task_id, TaskEventKind.FAILED, data=data, values=ended) is not None
