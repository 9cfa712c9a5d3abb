"""What a worker process asks of the queue: work, more time, and which of its work is no longer wanted.

These look across workspaces, through functions of the database made for just that.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import Integer, RowMapping, bindparam, text
from sqlalchemy import Uuid as UuidType
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncEngine

from app.models import TaskEventKind, TaskStatus
from app.principal import Principal
from app.services.task import attempt, transition
from app.unit_of_work import UnitOfWorkFactory

CANCEL_GRACE = timedelta(seconds=30)
_BATCH = 100
_SCHEDULED = frozenset({TaskStatus.SCHEDULED})
_IDS = bindparam("ids", type_=ARRAY(UuidType))
_ATTEMPTS = bindparam("attempts", type_=ARRAY(Integer))
_CLAIM = text("SELECT * FROM claim_tasks(:claimant, :most, :per_workspace, :lease)")
_RENEW = text("SELECT id, attempt FROM renew_leases(:ids, :attempts, :lease)").bindparams(_IDS, _ATTEMPTS)
_CANCELED = text("SELECT id, attempt FROM cancel_requests(:ids)").bindparams(_IDS)
_OVERDUE = text("SELECT workspace_id, id, attempt, reason FROM overdue_tasks(:grace, :most)")


@dataclass(frozen=True, slots=True)
class Held:
    """A claimed task: the attempt number is the fencing token."""

    task_id: UUID
    attempt: int


async def claim_tasks(
    engine: AsyncEngine, *, claimant: str, most: int, per_workspace: int, lease: timedelta
) -> Sequence[RowMapping]:
    """Up to `most` due tasks, now RUNNING and leased to the claimant: fair between workspaces."""
    values = {"claimant": claimant, "most": most, "per_workspace": per_workspace, "lease": lease}
    async with engine.begin() as connection:
        return (await connection.execute(_CLAIM, values)).mappings().all()


async def renew_leases(engine: AsyncEngine, held: Sequence[Held], *, lease: timedelta) -> set[Held]:
    """Those still held, for another lease from now. The rest belong to somebody else or have ended."""
    values = {**_arrays(held), "lease": lease}
    async with engine.begin() as connection:
        return {Held(row.id, row.attempt) for row in await connection.execute(_RENEW, values)}


async def canceled(engine: AsyncEngine, held: Sequence[Held]) -> set[Held]:
    """Those that somebody asked to cancel."""
    async with engine.connect() as connection:
        rows = await connection.execute(_CANCELED, {"ids": _arrays(held)["ids"]})
        return {Held(row.id, row.attempt) for row in rows} & set(held)


async def settle_overdue(engine: AsyncEngine, unit_of_work: UnitOfWorkFactory) -> int:
    """Does what time has decided: schedules that are due, expiries, lost leases, cancels nobody obeyed.

    Any number of processes may do this at once; the compare-and-set lets one of them. Returns how many it moved.
    """
    async with engine.connect() as connection:
        rows = (await connection.execute(_OVERDUE, {"grace": CANCEL_GRACE, "most": _BATCH})).all()
    for row in rows:
        async with unit_of_work(Principal.system(row.workspace_id)) as uow:
            match row.reason:
                case "due":
                    moved = await transition.apply(
                        uow, row.id, TaskEventKind.QUEUED, data={"reason": "due"}, values={"run_at": None},
                        attempt=row.attempt, sources=_SCHEDULED,
                    )  # fmt: skip
                    uow.queue_tasks(1 if moved is not None else 0)
                case "expired":
                    await transition.apply(
                        uow, row.id, TaskEventKind.EXPIRED, data={}, values={"finished_at": uow.now},
                        attempt=row.attempt,
                    )  # fmt: skip
                case "lease_lost":
                    await attempt.lose(uow, row.id, row.attempt)
                case "cancel_overdue":
                    await attempt.cancel(uow, row.id, row.attempt, cost=None)
    return len(rows)


def _arrays(held: Sequence[Held]) -> dict[str, list[UUID] | list[int]]:
    return {"ids": [item.task_id for item in held], "attempts": [item.attempt for item in held]}
