"""The end of a task: its last event, and what was held for it settled, in one transaction."""

from typing import Any

from sqlalchemy import RowMapping

from app.models import TaskEventKind, TaskStatus
from app.services.billing import ledger
from app.services.task import transition
from app.services.task.queries import Columns
from app.unit_of_work import UnitOfWork

# A task that failed costs its workspace nothing, one that expired has not begun.
CHARGED = frozenset({TaskEventKind.SUCCEEDED, TaskEventKind.CANCELED})


async def end(
    uow: UnitOfWork,
    task: Columns,
    kind: TaskEventKind,
    *,
    data: dict[str, Any],
    values: dict[str, Any] | None = None,
    spent: int = 0,
    sources: frozenset[TaskStatus] | None = None,
) -> RowMapping | None:
    """The task after its end; None where somebody else was first, and then nothing is settled.

    `task` is its row as it is: locked, or that of a running attempt, whose number nobody else has. `spent` is what its
    last attempt cost, in micro-credits. The workspace pays what the attempts cost, and never more than was held.
    """
    cost = task["spent_micros"] + spent
    charge = min(task["reserved_micros"], cost) if kind in CHARGED else 0
    ended = {
        "finished_at": uow.now,
        "lease_until": None,
        "cost_micros": task["cost_micros"] + charge,
        "reserved_micros": 0,
        "spent_micros": cost,
    }
    after = await transition.apply(
        uow, task["id"], kind, data=data, values={**ended, **(values or {})}, attempt=task["attempt"], sources=sources
    )
    if after is not None:
        await ledger.settle(uow, task, charge=charge, cost=cost)
    return after
