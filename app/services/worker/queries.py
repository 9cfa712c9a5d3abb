"""Reads of workers: columns, for one workspace."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import Row, Select, select
from sqlalchemy.ext.asyncio import AsyncSession

from app import ids
from app.errors import NotFound
from app.models import Worker

COLUMNS = Worker.__table__.c  # type: ignore[attr-defined]


def by_ids(workers: Collection[UUID]) -> Select[Any]:
    return select(*COLUMNS).where(COLUMNS.id.in_(workers))


async def get(session: AsyncSession, worker_id: UUID) -> Row[Any]:
    """The worker's columns. Raises NotFound, also for another workspace's."""
    row: Row[Any] | None = (await session.execute(by_ids([worker_id]))).one_or_none()
    if row is None:
        raise NotFound("Worker", ids.encode(ids.WORKER, worker_id), ("workerId",))
    return row
