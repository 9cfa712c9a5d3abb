"""What time decides: schedules and retries that are due, deadlines that have passed, history that is old enough.

Any number of processes may do this at once. Rows are taken with a compare-and-set or with SKIP LOCKED, so each is
served once; every question is answered from an index that holds only rows which wait for just that.
"""

from datetime import timedelta
from uuid import UUID

from sqlalchemy import func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.models import Task, TaskEventKind, TaskStatus
from app.principal import Principal
from app.services.task import attempt, idempotency, wait
from app.services.task.ending import end
from app.unit_of_work import UnitOfWork, UnitOfWorkFactory

CANCEL_GRACE = timedelta(seconds=30)
DUE_BATCH = 500
OVERDUE_BATCH = 100
KEYS_BATCH = 1_000
_TASK = Task.__table__  # type: ignore[attr-defined]
_DUE = text("SELECT workspace_id, tasks FROM queue_due_tasks(:most)")
_OVERDUE = text("SELECT workspace_id, id, attempt, reason FROM overdue_tasks(:grace, :most)")
_KEEP_HISTORY = text("SELECT keep_history(:events, :attempts)")
_EXPIRE_KEYS = text("SELECT expire_idempotency_keys(:kept, :most)")


async def queue_due(engine: AsyncEngine, unit_of_work: UnitOfWorkFactory) -> int:
    """Queue what was scheduled for now, and retries whose pause is over. Returns how many."""
    async with engine.begin() as connection:
        rows = (await connection.execute(_DUE, {"most": DUE_BATCH})).all()
    moved: int = sum(row.tasks for row in rows)
    if moved:
        await unit_of_work.announce(moved, workspaces={row.workspace_id for row in rows})
    return moved


async def settle_overdue(engine: AsyncEngine, unit_of_work: UnitOfWorkFactory) -> int:
    """End or hand on what has passed a deadline: expiries, lost leases, cancels nobody obeyed, waits.

    Returns how many were found, at most 100 of each kind.
    """
    async with engine.connect() as connection:
        rows = (await connection.execute(_OVERDUE, {"grace": CANCEL_GRACE, "most": OVERDUE_BATCH})).all()
    for row in rows:
        async with unit_of_work(Principal.system(row.workspace_id)) as uow:
            match row.reason:
                case "expired":
                    await expire(uow, row.id)
                case "lease_lost":
                    await attempt.lose(uow, row.id, row.attempt)
                case "cancel_overdue":
                    await attempt.cancel(uow, row.id, row.attempt, cost=None)
                case "wait_over":
                    await wait.time_out(uow, row.id)
    return len(rows)


async def expire(uow: UnitOfWork, task_id: UUID) -> bool:
    """End a task that has not begun in time. False where somebody was first."""
    statement = (
        select(*_TASK.c)
        .where(
            _TASK.c.id == task_id,
            _TASK.c.status.in_([TaskStatus.SCHEDULED, TaskStatus.QUEUED]),
            _TASK.c.started_at.is_(None),
            _TASK.c.expires_at <= func.now(),
        )
        .with_for_update()
    )
    task = (await uow.session.execute(statement)).mappings().one_or_none()
    return task is not None and await end(uow, task, TaskEventKind.EXPIRED, data={}) is not None


async def keep_history(engine: AsyncEngine, *, events: timedelta, attempts: timedelta) -> int:
    """Make the partitions of the next weeks and drop those older than what is kept. Returns how many were dropped."""
    async with engine.begin() as connection:
        dropped: int = (await connection.execute(_KEEP_HISTORY, {"events": events, "attempts": attempts})).scalar_one()
    return dropped


async def expire_idempotency_keys(engine: AsyncEngine) -> int:
    """Delete keys that are older than their promise. Returns how many, at most 1,000."""
    async with engine.begin() as connection:
        values = {"kept": idempotency.KEPT_FOR, "most": KEYS_BATCH}
        deleted: int = (await connection.execute(_EXPIRE_KEYS, values)).scalar_one()
    return deleted
