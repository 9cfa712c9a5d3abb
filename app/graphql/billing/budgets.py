"""Budgets as owners and admins see and set them."""

from datetime import UTC, datetime, time
from typing import Annotated, Self

import strawberry

from app import ids
from app.db.hot import Row
from app.graphql.account.types import SimplePayload
from app.graphql.context import Info
from app.graphql.enums import described
from app.graphql.errors import PayloadErrors, UserError
from app.graphql.relay import After, First, Node, Page, PageArguments, PageInfo, fetch_page, uuid_key
from app.graphql.scalars import BigInt
from app.models import BudgetPeriod, BudgetScope
from app.services.billing import budgets

_PREFIXES = {BudgetScope.WORKER: ids.WORKER, BudgetScope.TEMPLATE: ids.TEMPLATE, BudgetScope.API_KEY: ids.API_KEY}
_KEY = uuid_key(budgets.KEY, "budget")
BudgetScopeType = described(
    BudgetScope,
    "Whose tasks count against a budget.",
    {
        "WORKSPACE": "All of the workspace.",
        "WORKER": "Those that are named for one worker.",
        "TEMPLATE": "Those of one template, whatever its version.",
        "API_KEY": "Those that were created with one API key.",
    },
)
BudgetPeriodType = described(
    BudgetPeriod,
    "How long a budget lasts before it begins anew.",
    {"DAY": "A day of UTC.", "MONTH": "A month, which begins on its first day at 00:00 UTC."},
)


@strawberry.type(
    description="What a workspace, worker, template or API key may cost in each day or month. A task counts in the "
    "period in which it was accepted: first what is held for it, then what it was charged."
)
class Budget(Node):
    scope: BudgetScopeType = strawberry.field(description="Whose tasks count.")  # type: ignore[valid-type]
    scope_id: strawberry.ID | None = strawberry.field(
        description="The id of the worker, template or API key; null for the whole workspace."
    )
    period: BudgetPeriodType = strawberry.field(description="How long it lasts.")  # type: ignore[valid-type]
    soft_micros: BigInt | None = strawberry.field(
        description="Once so many micro-credits are used, cheap models go first and a billing event tells it."
    )
    hard_micros: BigInt | None = strawberry.field(
        description="Tasks that could take it beyond so many micro-credits are refused with BUDGET_EXCEEDED."
    )
    used_micros: BigInt = strawberry.field(description="Charged in the present period, in micro-credits.")
    held_micros: BigInt = strawberry.field(description="Held for tasks that have not ended, in micro-credits.")
    left_micros: BigInt | None = strawberry.field(
        description="What hardMicros leaves for more tasks in the present period; null without it."
    )
    soft_passed_at: datetime | None = strawberry.field(
        description="When softMicros was passed in the present period; null where it was not."
    )
    starts_at: datetime = strawberry.field(description="When the present period began.")
    resets_at: datetime = strawberry.field(description="When the next begins, and nothing of it is used.")
    created_at: datetime = strawberry.field(description="When it was set first.")

    @classmethod
    def from_row(cls, row: Row) -> Self:
        scope, period = BudgetScope(row["scope"]), BudgetPeriod(row["period"])
        used, held = int(row["used_micros"]), int(row["held_micros"])
        scope_id = ids.encode(_PREFIXES[scope], row["scope_id"]) if row["scope_id"] is not None else None
        hard, soft = row["hard_micros"], row["soft_micros"]
        return cls(
            id=strawberry.ID(ids.encode(ids.BUDGET, row["id"])),
            scope=scope,
            scope_id=strawberry.ID(scope_id) if scope_id is not None else None,
            period=period,
            soft_micros=BigInt(soft) if soft is not None else None,
            hard_micros=BigInt(hard) if hard is not None else None,
            used_micros=BigInt(used - held),
            held_micros=BigInt(held),
            left_micros=BigInt(max(0, hard - used)) if hard is not None else None,
            soft_passed_at=row["soft_passed_at"],
            starts_at=datetime.combine(row["starts_on"], time(), UTC),
            resets_at=datetime.combine(budgets.next_period(period, row["starts_on"]), time(), UTC),
            created_at=row["created_at"],
        )


@strawberry.type(description="A budget and its place in the list.")
class BudgetEdge:
    cursor: str = strawberry.field(description="Pass it as after to go on from here.")
    node: Budget = strawberry.field(description="The budget.")


@strawberry.type(description="A page of budgets, in the order in which they were set first.")
class BudgetConnection:
    edges: list[BudgetEdge] = strawberry.field(description="The budgets with their cursors.")
    nodes: list[Budget] = strawberry.field(description="The budgets alone.")
    page_info: PageInfo = strawberry.field(description="Where the page lies in the list.")

    @classmethod
    def from_page(cls, page: Page) -> Self:
        nodes = [Budget.from_row(row) for row in page.rows]
        edges = [BudgetEdge(cursor=cursor, node=node) for cursor, node in zip(page.cursors, nodes, strict=True)]
        return cls(edges=edges, nodes=nodes, page_info=page.info)


@strawberry.input(description="A budget to set. There is one for each scope and period; setting it again changes it.")
class SetBudgetInput:
    scope: BudgetScopeType = strawberry.field(description="Whose tasks count.")  # type: ignore[valid-type]
    period: BudgetPeriodType = strawberry.field(description="How long it lasts.")  # type: ignore[valid-type]
    scope_id: strawberry.ID | None = strawberry.field(
        default=None, description="The id of the worker, template or API key; none for the workspace."
    )
    soft_micros: BigInt | None = strawberry.field(
        default=None, description="From where on cheap models go first, in micro-credits; null for never."
    )
    hard_micros: BigInt | None = strawberry.field(
        default=None, description="From where on tasks are refused, in micro-credits; null for never."
    )


@strawberry.type(description="The answer to setBudget.")
class BudgetPayload:
    budget: Budget | None = strawberry.field(default=None, description="The budget; null where it was not set.")
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it did not work; else empty.")


@strawberry.type
class BudgetQueries:
    @strawberry.field(description="The workspace's budgets, with what is used of them. For owners and admins.")
    async def budgets(self, info: Info, first: First = None, after: After = None) -> BudgetConnection:
        statement = budgets.budgets(info.context.principal.workspace_id)
        page = await fetch_page(info.context.reader, statement, _KEY, PageArguments(first, after))
        return BudgetConnection.from_page(page)


@strawberry.type
class BudgetMutations:
    @strawberry.mutation(
        description="Set what the workspace, or one worker, template or API key of it, may cost in a day or month. "
        "What was charged in the present period counts from the beginning. For owners and admins. MFA_REQUIRED: call "
        "stepUp first.",
        extensions=[PayloadErrors("input")],
    )
    async def set_budget(
        self, info: Info, input: Annotated[SetBudgetInput, strawberry.argument(description="The budget.")]
    ) -> BudgetPayload:
        draft = budgets.BudgetDraft(input.scope, input.scope_id, input.period, input.soft_micros, input.hard_micros)
        async with info.context.unit_of_work() as uow:
            row = await budgets.set_budget(uow, draft)
        return BudgetPayload(budget=Budget.from_row(row))

    @strawberry.mutation(
        description="Take a budget away: nothing is refused for it any more. For owners and admins. MFA_REQUIRED: call "
        "stepUp first.",
        extensions=[PayloadErrors()],
    )
    async def delete_budget(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id of the budget.")]
    ) -> SimplePayload:
        async with info.context.unit_of_work() as uow:
            await budgets.delete_budget(uow, id)
        return SimplePayload()
