"""Budgets: what a workspace, or one worker, template or API key of it, may cost in a day or month of UTC."""

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, Select, delete, func, select, text
from sqlalchemy.dialects import postgresql as pg

from app import ids
from app.errors import InvalidInput, LimitExceeded, NotFound
from app.models import ApiKey, Budget, BudgetHold, BudgetPeriod, BudgetScope, BudgetUsage, Template, Worker
from app.principal import Permission
from app.services.account.step_up import require_step_up
from app.services.workspace.turn import take_turn
from app.unit_of_work import UnitOfWork

# Every task is compared with all of them while its workspace's row is locked.
MAX_BUDGETS = 100
# A thousand million credits: far from where sums of them would overflow.
MAX_MICROS = 10**15
KEY = Budget.__table__.c.id  # type: ignore[attr-defined]
_BUDGET = Budget.__table__.c  # type: ignore[attr-defined]
_USAGE = BudgetUsage.__table__.c  # type: ignore[attr-defined]
_HOLD = BudgetHold.__table__.c  # type: ignore[attr-defined]
_BEGIN = text("SELECT begin_budget(:budget)")
# What a scope's id is of: prefix, name and table.
_SCOPES: Mapping[BudgetScope, tuple[str, str, Any]] = {
    BudgetScope.WORKER: (ids.WORKER, "Worker", Worker),
    BudgetScope.TEMPLATE: (ids.TEMPLATE, "Template", Template),
    BudgetScope.API_KEY: (ids.API_KEY, "API key", ApiKey),
}


@dataclass(frozen=True, slots=True)
class BudgetDraft:
    """`scope_id` is the public id of the worker, template or API key; None for the workspace. In micro-credits."""

    scope: BudgetScope
    scope_id: str | None
    period: BudgetPeriod
    soft_micros: int | None
    hard_micros: int | None


def budgets(workspace_id: UUID) -> Select[Any]:
    """With `starts_on`, `used_micros` (charged and held), `held_micros` and `soft_passed_at` of the present period."""
    starts_on = func.budget_period_start(_BUDGET.period)
    present = (_USAGE.budget_id == _BUDGET.id) & (_USAGE.starts_on == starts_on)
    held = select(func.coalesce(func.sum(_HOLD.amount_micros), 0)).where(
        _HOLD.budget_id == _BUDGET.id, _HOLD.starts_on == starts_on
    )
    return (
        select(
            *_BUDGET,
            starts_on.label("starts_on"),
            func.coalesce(_USAGE.used_micros, 0).label("used_micros"),
            held.scalar_subquery().label("held_micros"),
            _USAGE.soft_passed_at,
        )
        .select_from(Budget.__table__.outerjoin(BudgetUsage.__table__, present))  # type: ignore[attr-defined]
        .where(_BUDGET.workspace_id == workspace_id)
    )


def budgets_by_ids(workspace_id: UUID, wanted: Collection[UUID]) -> Select[Any]:
    return budgets(workspace_id).where(_BUDGET.id.in_(wanted))


def next_period(period: BudgetPeriod, starts_on: date) -> date:
    """The day on which the one that begins on `starts_on` is over."""
    if period is BudgetPeriod.DAY:
        return starts_on + timedelta(days=1)
    return (starts_on.replace(day=1) + timedelta(days=32)).replace(day=1)


async def set_budget(uow: UnitOfWork, draft: BudgetDraft) -> RowMapping:
    """Make the budget of this scope and period, or change its limits. Its usage is that of the whole present period.

    Raises Forbidden, MfaRequired, NotFound, and InvalidInput or LimitExceeded naming the field.
    """
    uow.principal.require(Permission.BILLING_MANAGE)
    await require_step_up(uow)
    _check(draft)
    scope_id = await _scope_id(uow, draft)
    # Takes turns: with others that count the budgets, and with tasks that count against them.
    await take_turn(uow, Permission.BILLING_MANAGE)
    limits = {"soft_micros": draft.soft_micros, "hard_micros": draft.hard_micros}
    statement = (
        pg.insert(Budget)
        .values(
            id=ids.new_id(),
            workspace_id=uow.principal.workspace_id,
            scope=draft.scope,
            scope_id=scope_id,
            period=draft.period,
            **limits,
        )
        .on_conflict_do_update(index_elements=["workspace_id", "scope", "scope_id", "period"], set_=limits)
        .returning(_BUDGET.id)
    )
    budget_id: UUID = (await uow.session.execute(statement)).scalar_one()
    await _check_room(uow)
    await uow.session.execute(_BEGIN, {"budget": budget_id})
    said: dict[str, Any] = {"scope": draft.scope, "scopeId": draft.scope_id, "period": draft.period}
    said |= {"softMicros": draft.soft_micros, "hardMicros": draft.hard_micros}
    uow.audit("budget.set", ids.encode(ids.BUDGET, budget_id), said)
    mine = budgets_by_ids(uow.principal.workspace_id, [budget_id])
    row: RowMapping = (await uow.session.execute(mine)).mappings().one()
    return row


async def delete_budget(uow: UnitOfWork, public_id: str) -> None:
    """Raises Forbidden, MfaRequired or NotFound."""
    uow.principal.require(Permission.BILLING_MANAGE)
    await require_step_up(uow)
    await take_turn(uow, Permission.BILLING_MANAGE)
    budget_id = ids.decode(ids.BUDGET, public_id)
    mine = (_BUDGET.id == budget_id) & (_BUDGET.workspace_id == uow.principal.workspace_id)
    gone = (await uow.session.execute(delete(Budget).where(mine).returning(_BUDGET.scope))).one_or_none()
    if gone is None:
        raise NotFound("Budget", public_id[:60])
    uow.audit("budget.delete", public_id, {"scope": gone.scope})


def _check(draft: BudgetDraft) -> None:
    for name, micros in (("softMicros", draft.soft_micros), ("hardMicros", draft.hard_micros)):
        if micros is not None and not 0 <= micros <= MAX_MICROS:
            raise InvalidInput(f"{name} is 0 to {MAX_MICROS} micro-credits.", (name,))
    if draft.soft_micros is None and draft.hard_micros is None:
        raise InvalidInput("A budget has softMicros, hardMicros or both.", ("hardMicros",))
    if draft.soft_micros is not None and draft.hard_micros is not None and draft.soft_micros > draft.hard_micros:
        raise InvalidInput("softMicros is at most hardMicros, or it would never be passed.", ("softMicros",))


async def _scope_id(uow: UnitOfWork, draft: BudgetDraft) -> UUID | None:
    """Of something that this workspace sees: its own, or a built-in template."""
    if draft.scope is BudgetScope.WORKSPACE:
        if draft.scope_id is not None:
            raise InvalidInput("The budget of the whole workspace has no scopeId.", ("scopeId",))
        return None
    if draft.scope_id is None:
        raise InvalidInput(f"scopeId says which one, as the scope is {draft.scope}.", ("scopeId",))
    prefix, kind, table = _SCOPES[draft.scope]
    scope_id = ids.decode(prefix, draft.scope_id)
    found = await uow.session.execute(select(table.id).where(table.id == scope_id))
    if found.scalar_one_or_none() is None:
        raise NotFound(kind, draft.scope_id[:60], ("scopeId",))
    return scope_id


async def _check_room(uow: UnitOfWork) -> None:
    mine = _BUDGET.workspace_id == uow.principal.workspace_id
    wanted: int = (await uow.session.execute(select(func.count()).where(mine))).scalar_one()
    if wanted > MAX_BUDGETS:
        message = f"The workspace would have {wanted} budgets; the limit is {MAX_BUDGETS}."
        raise LimitExceeded(message, limit=MAX_BUDGETS, actual=wanted)
