"""Moves credits, each time with an entry of the ledger: through functions of the database, which are the only way.

A workspace's row is locked from the first of these until the transaction ends, so they come last in it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Integer, String, bindparam, text
from sqlalchemy import Uuid as UuidType
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app import ids
from app.errors import AppError, ErrorCode, InvalidState
from app.models import LedgerKind
from app.models.columns import MICROS_PER_CREDIT
from app.unit_of_work import UnitOfWork

_IDS = ARRAY(UuidType)
_RESERVE = text(
    "SELECT * FROM reserve_credits(:workspace, :tasks, :holds, :amounts, :workers, :templates, :api_keys)"
).bindparams(
    bindparam("workspace", type_=UuidType),
    bindparam("tasks", type_=_IDS),
    bindparam("holds", type_=ARRAY(Integer)),
    bindparam("amounts", type_=ARRAY(BigInteger)),
    bindparam("workers", type_=_IDS),
    bindparam("templates", type_=_IDS),
    bindparam("api_keys", type_=_IDS),
)
_SETTLE = text("SELECT settle_credits(:workspace, :task, :hold, :attempt, :reserved, :charge, :cost)").bindparams(
    bindparam("workspace", type_=UuidType), bindparam("task", type_=UuidType)
)
_POST = text("SELECT post_credits(:workspace, :kind, :amount, :reason)").bindparams(
    bindparam("workspace", type_=UuidType), bindparam("kind", type_=String), bindparam("reason", type_=String)
)


class InsufficientCredits(AppError):
    """`required` and `available` are in micro-credits."""

    code = ErrorCode.INSUFFICIENT_CREDITS

    def __init__(self, required: int, available: int) -> None:
        self.required = required
        self.available = available
        super().__init__(
            f"The task may cost up to {_credits(required)} credits, and {_credits(available)} are available. "
            "Top up, give it a lower maxCost, or set waitForCredits."
        )


class BudgetExceeded(AppError):
    """`available` is what the budget has left in its present period, in micro-credits."""

    code = ErrorCode.BUDGET_EXCEEDED

    def __init__(self, budget_id: UUID, required: int, left: int) -> None:
        self.budget_id = budget_id
        self.required = required
        self.available = max(0, left)
        super().__init__(
            f"The task may cost up to {_credits(required)} credits, and budget {ids.encode(ids.BUDGET, budget_id)} has "
            f"{_credits(self.available)} left in this period. Raise the budget, or give the task a lower maxCost."
        )


@dataclass(frozen=True, slots=True)
class Hold:
    """What is to be held for a task, in micro-credits, and whose budgets it counts against.

    `number` counts how often that was done for the task: once when it is accepted, and whenever it is revived.
    """

    task_id: UUID
    number: int
    micros: int
    worker_id: UUID | None = None
    template_id: UUID | None = None
    api_key_id: UUID | None = None


async def reserve(uow: UnitOfWork, holds: Sequence[Hold]) -> list[AppError | None]:
    """For each, in order, None or why nothing is held for it: InsufficientCredits or BudgetExceeded."""
    # What costs nothing waits for nobody; a budget has nothing to say about it either.
    priced = [hold for hold in holds if hold.micros]
    if not priced:
        return [None] * len(holds)
    values = {
        "workspace": uow.principal.workspace_id,
        "tasks": [hold.task_id for hold in priced],
        "holds": [hold.number for hold in priced],
        "amounts": [hold.micros for hold in priced],
        "workers": [hold.worker_id for hold in priced],
        "templates": [hold.template_id for hold in priced],
        "api_keys": [hold.api_key_id for hold in priced],
    }
    rows = (await uow.session.execute(_RESERVE, values)).all()
    refusals = {
        row.task_id: refusal_of(
            {
                "refusal": row.refusal,
                "required": hold.micros,
                "available": row.available,
                "budget": row.budget_id,
                "left": row.budget_left,
            }
        )
        for hold, row in zip(priced, rows, strict=True)
        if row.refusal is not None
    }
    return [refusals.get(hold.task_id) for hold in holds]


async def settle(uow: UnitOfWork, task: Mapping[Any, Any], *, charge: int, cost: int) -> None:
    """End what is held for a task: `charge` is kept of it, the rest goes back. `cost` is what providers take from us.

    `task` is the row as it was before the end. Each hold is settled once.
    """
    if not task["reserved_micros"] and not cost:
        return
    values = {
        "workspace": task["workspace_id"],
        "task": task["id"],
        "hold": task["holds"],
        "attempt": task["attempt"],
        "reserved": task["reserved_micros"],
        "charge": charge,
        "cost": cost,
    }
    await uow.session.execute(_SETTLE, values)


async def post(
    session: AsyncSession | AsyncConnection, workspace_id: UUID, kind: LedgerKind, micros: int, reason: str
) -> int:
    """Give credits, or with a negative ADJUSTMENT take some. Returns the entry's number.

    Raises InvalidState where the workspace has not so many.
    """
    values = {"workspace": workspace_id, "kind": kind, "amount": micros, "reason": reason}
    number: int | None = (await session.execute(_POST, values)).scalar_one()
    if number is None:
        raise InvalidState(f"The workspace has less than {_credits(-micros)} credits available.")
    return number


def refusal_of(told: Mapping[str, Any]) -> InsufficientCredits | BudgetExceeded:
    """`told` is what the database says of it: `refusal` ("credits" or "budget"), and in micro-credits what was
    `required` and is `available`, or of which `budget` is `left`."""
    if told["refusal"] == "credits":
        return InsufficientCredits(told["required"], told["available"])
    return BudgetExceeded(UUID(str(told["budget"])), told["required"], told["left"])


def _credits(micros: int) -> str:
    """Exact, for people: 0.000512."""
    text_ = f"{micros / MICROS_PER_CREDIT:.6f}".rstrip("0")
    return text_ + "0" if text_.endswith(".") else text_
