"""A task that waits for a person, another system or credits: what becomes of it when nobody answers in time."""

from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import func, select

from app import ids
from app.models import Task, TaskEventKind, TaskStatus, TaskWaitReason, TimeoutPolicy
from app.services.task.attempt import Failure
from app.services.task.ending import end
from app.unit_of_work import UnitOfWork

# As long as any wait is by default.
CREDITS_PATIENCE = timedelta(days=7)
WAIT_TIMEOUT = "wait_timeout"
_TASK = Task.__table__  # type: ignore[attr-defined]


def credits_wait() -> dict[str, Any]:
    """What a task's `wait` column says while it waits for credits."""
    wait_id = ids.encode(ids.WAIT, ids.new_id())
    return {"id": wait_id, "reason": TaskWaitReason.CREDITS, "on_timeout": TimeoutPolicy.FAIL}


async def time_out(uow: UnitOfWork, task_id: UUID) -> bool:
    """End a task whose wait is over: CANCELED where its wait says so, else FAILED. False where somebody was first."""
    statement = (
        select(*_TASK.c)
        .where(_TASK.c.id == task_id, _TASK.c.status == TaskStatus.WAITING, _TASK.c.wait_until <= func.now())
        .with_for_update()
    )
    task = (await uow.session.execute(statement)).mappings().one_or_none()
    if task is None:
        return False
    over: dict[str, Any] = {"wait": None, "wait_until": None}
    if task["wait"]["on_timeout"] == TimeoutPolicy.CANCEL:
        data: dict[str, Any] = {"reason": WAIT_TIMEOUT}
        return await end(uow, task, TaskEventKind.CANCELED, data=data, values=over) is not None
    # Nobody decided, and a default or somebody to escalate to would have been acted on before.
    error = Failure(WAIT_TIMEOUT, "Nobody answered in time.", retryable=False).as_json()
    values = {**over, "error": error}
    return await end(uow, task, TaskEventKind.FAILED, data={"error": error}, values=values) is not None
