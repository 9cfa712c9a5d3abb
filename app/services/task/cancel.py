"""Stops a task: at once while nobody works on it, on request while somebody does."""

from uuid import UUID

from sqlalchemy import RowMapping, func

from app.errors import InvalidInput, InvalidState
from app.models import TaskEventKind, TaskStatus
from app.principal import Permission
from app.services.task import queries, transition
from app.services.task.ending import end
from app.services.task.lifecycle import NOT_STARTED, TERMINAL
from app.unit_of_work import UnitOfWork

MAX_REASON_LENGTH = 500


async def cancel_task(uow: UnitOfWork, task_id: UUID, reason: str | None) -> RowMapping:
    """The task after it. Cancelling twice changes nothing; a finished task raises InvalidState."""
    uow.principal.require(Permission.TASK_CANCEL)
    if reason is not None and (len(reason) > MAX_REASON_LENGTH or "\0" in reason):
        raise InvalidInput(f"reason is at most {MAX_REASON_LENGTH} characters, without NUL.", ("reason",))
    task = await queries.get_for_update(uow.session, task_id)
    if task["status"] in TERMINAL and task["status"] != TaskStatus.CANCELED:
        raise InvalidState(f"The task is {task['status']} already.", ("id",))
    if task["status"] == TaskStatus.CANCELED or task["cancel_requested_at"] is not None:
        return task
    if task["status"] == TaskStatus.RUNNING:
        asked = {"cancel_requested_at": func.now(), "cancel_reason": reason}
        after = await transition.apply(
            uow, task_id, TaskEventKind.CANCEL_REQUESTED, data={"reason": reason}, values=asked
        )
    else:
        values = {"cancel_requested_at": func.now(), "cancel_reason": reason, "wait": None, "wait_until": None}
        after = await end(
            uow, task, TaskEventKind.CANCELED, data={"reason": reason}, values=values, sources=NOT_STARTED
        )
    return after if after is not None else task
