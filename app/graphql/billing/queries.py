"""Fields of Query about credits, and about what a task would cost."""

from typing import Annotated

import strawberry

from app.errors import InvalidState
from app.graphql.billing.types import LedgerEntryConnection, Quote
from app.graphql.context import Info
from app.graphql.errors import user_error
from app.graphql.relay import After, Before, First, Key, Last, PageArguments, fetch_page
from app.graphql.scalars import BigInt
from app.graphql.task.inputs import CreateTaskInput
from app.graphql.task.types import RoutingDecision
from app.services.billing.queries import COLUMNS, ledger_of
from app.services.routing.decide import RoutingDecision as Decision
from app.services.task.plan import Plan
from app.services.task.quote import explain_task, quote_task

TaskInput = Annotated[CreateTaskInput, strawberry.argument(description="The task, as createTask takes it.")]


def _number(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**63:
        raise ValueError
    return value


_NEWEST_FIRST = Key(COLUMNS.seq, "ledger", _number, descending=True)


@strawberry.type
class BillingQueries:
    @strawberry.field(description="Every movement of this workspace's credits, newest first. For owners and admins.")
    async def ledger(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> LedgerEntryConnection:
        statement = ledger_of(info.context.principal.workspace_id)
        page = await fetch_page(
            info.context.reader, statement, _NEWEST_FIRST, PageArguments(first, after, last, before)
        )
        return LedgerEntryConnection.from_page(page)

    @strawberry.field(
        description="What createTask would cost with this input, and which model would do it: decided by the same "
        "code, without accepting anything."
    )
    async def quote_task(self, info: Info, input: TaskInput) -> Quote:
        terms = await info.context.resources.intake.terms()
        async with info.context.unit_of_work() as uow:
            quoted = await quote_task(uow, info.context.resources.hot, input.to_draft(), terms)
        decision = _decision(quoted.plan)
        return Quote(
            estimated_micros=BigInt(decision.estimated_micros),
            ceiling_micros=BigInt(decision.ceiling_micros),
            routing=RoutingDecision.from_json(decision.as_json()),
            errors=[user_error(quoted.refusal)] if quoted.refusal is not None else [],
        )

    @strawberry.field(
        description="Which model would do this task, and why: what createTask would store as its routing."
    )
    async def explain_routing(self, info: Info, input: TaskInput) -> RoutingDecision:
        terms = await info.context.resources.intake.terms()
        plan = await explain_task(info.context.resources.hot, info.context.principal, input.to_draft(), terms)
        return RoutingDecision.from_json(_decision(plan).as_json())


def _decision(plan: Plan) -> Decision:
    if plan.decision is None:
        message = "A person or another system does what this worker is given: nothing is routed, and it costs nothing."
        raise InvalidState(message, ("input", "workerId"))
    return plan.decision
