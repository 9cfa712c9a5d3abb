"""What would become of a task, by the code that would make it. Nothing is written."""

from dataclasses import dataclass

from app import clock, ids
from app.db.hot import Hot
from app.errors import AppError
from app.principal import Permission, Principal
from app.services.billing import ledger
from app.services.billing.ledger import Hold
from app.services.task.draft import TaskDraft
from app.services.task.plan import Plan, Planner, Terms
from app.unit_of_work import UnitOfWork


@dataclass(frozen=True, slots=True)
class Quoted:
    """`refusal` is why nothing would be held for it at present: InsufficientCredits or BudgetExceeded."""

    plan: Plan
    refusal: AppError | None


async def explain_task(hot: Hot, principal: Principal, draft: TaskDraft, terms: Terms) -> Plan:
    """Raises Forbidden, and what Planner.plan does."""
    principal.require(Permission.TASK_CREATE)
    planners = await Planner.begin(hot, terms, {principal.workspace_id: [draft]}, clock.now())
    return planners[principal.workspace_id].plan(draft, principal.api_key_id)


async def quote_task(uow: UnitOfWork, hot: Hot, draft: TaskDraft, terms: Terms) -> Quoted:
    """Raises what `explain_task` does. Credits are held, to see whether they can be, and the hold is taken back."""
    plan = await explain_task(hot, uow.principal, draft, terms)
    async with uow.session.begin_nested() as trial:
        (refusal,) = await ledger.reserve(uow, [_hold(uow.principal, plan)])
        await trial.rollback()
    return Quoted(plan, refusal)


def _hold(caller: Principal, plan: Plan) -> Hold:
    """What accept_tasks would hold for it."""
    return Hold(
        ids.new_id(),
        1,
        plan.ceiling_micros,
        worker_id=plan.draft.worker_id,
        template_id=plan.template_id,
        api_key_id=caller.api_key_id,
    )
