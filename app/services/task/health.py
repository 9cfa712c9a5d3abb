"""How the queue of the whole installation is doing, for whoever operates it."""

from dataclasses import dataclass
from datetime import datetime

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

# A function of the database, because it counts across workspaces.
_HEALTH = text("SELECT * FROM queue_health()")


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


async def queue_health(engine: AsyncEngine) -> QueueHealth:
    async with engine.connect() as connection:
        return QueueHealth(**(await connection.execute(_HEALTH)).mappings().one())
