"""How the queue of the whole installation is doing, for whoever operates it."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from datetime import datetime, timedelta
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Interval, bindparam, text
from sqlalchemy.ext.asyncio import AsyncEngine

# Functions of the database, because they look across workspaces.
_HEALTH = text("SELECT * FROM queue_health()")
_STUCK = text("SELECT * FROM stuck_tasks(:patience, :most)").bindparams(bindparam("patience", type_=Interval()))


@dataclass(frozen=True, slots=True)
class QueueHealth:
    """Figures over all workspaces at `now`, the database's clock.

    `due` tasks wait for a worker, the longest since `oldest_due_since`. `leases_lost` tasks are RUNNING although their
    lease has run out, the first at `oldest_lease_lost_at`. `orphaned_attempts` are open although their task has gone
    on, `lost_attempts` were given up in the last 24 hours because their worker went silent (both of tasks created in
    the last 7 days).
    """

    now: datetime
    due: int
    oldest_due_since: datetime | None
    running: int
    leases_lost: int
    oldest_lease_lost_at: datetime | None
    orphaned_attempts: int
    lost_attempts: int


class StuckKind(StrEnum):
    """Due and waiting for too long; RUNNING with a lease that ran out; an attempt that is open although its task has
    gone on; ended FAILED in the last 24 hours because its workers died."""

    DUE = "due"
    LEASE_LOST = "lease_lost"
    ATTEMPT_DEAD = "attempt_dead"
    WORKER_LOST = "worker_lost"


@dataclass(frozen=True, slots=True)
class StuckTask:
    """`since` is since when it waits, its lease is over, the dead attempt began or the task ended.

    `leased_by` is the worker that had it, None for one that waits; `attempt` the try in question.
    """

    workspace_id: UUID
    task_id: UUID
    type: str
    since: datetime
    leased_by: str | None
    attempt: int | None


_TASK_FIELDS = [item.name for item in fields(StuckTask)]
StuckTasks = Mapping[StuckKind, tuple[StuckTask, ...]]


async def queue_health(engine: AsyncEngine) -> QueueHealth:
    async with engine.connect() as connection:
        return QueueHealth(**(await connection.execute(_HEALTH)).mappings().one())


async def stuck_tasks(engine: AsyncEngine, *, patience: timedelta, most: int) -> StuckTasks:
    """At most so many of each kind, over all workspaces; of those that ended the newest, of all others the oldest.

    What is due counts after it has waited for longer than `patience`.
    """
    async with engine.connect() as connection:
        rows = (await connection.execute(_STUCK, {"patience": patience, "most": most})).mappings().all()
    tasks = [(row["kind"], StuckTask(*(row[name] for name in _TASK_FIELDS))) for row in rows]
    return {kind: tuple(task for found, task in tasks if found == kind) for kind in StuckKind}
