"""The usage report: what a workspace's tasks were, and what they cost, in a period."""

from datetime import date, datetime
from typing import Annotated, Any, Self
from uuid import UUID

import strawberry

from app import clock, ids
from app.db.hot import Row
from app.graphql.context import Info
from app.graphql.enums import described
from app.graphql.scalars import BigInt
from app.graphql.task.types import load_worker
from app.graphql.template.types import Template
from app.graphql.worker.types import Worker
from app.models.columns import MICROS_PER_CREDIT
from app.services.billing import usage

UsageGroupType = described(
    usage.UsageGroup,
    "By what usage is broken down.",
    {
        "DAY": "The day of UTC on which it happened.",
        "TYPE": "The type of the task.",
        "WORKER": "The worker that the task was named for.",
        "TEMPLATE": "The template of the task, whatever its version.",
        "MODEL": "Provider and model: of calls the one that was called; the end of a task and its charge count with "
        "the model that it had come to.",
    },
)
Groups = Annotated[
    list[UsageGroupType] | None,  # type: ignore[valid-type]
    strawberry.argument(description="By what rows are told apart, and their order; without it there is one row."),
]
From = Annotated[
    date | None,
    strawberry.argument(name="from", description="The first day, of UTC; by default the first of the month of `to`."),
]
To = Annotated[
    date | None, strawberry.argument(name="to", description="The last day, of UTC and included; by default today.")
]


@strawberry.type(description="What tasks did and cost. Each thing counts on the day of UTC on which it happened.")
class UsageCounts:
    tasks: BigInt = strawberry.field(
        description="Tasks that ended. One that was tried again and ended twice counts twice."
    )
    succeeded: BigInt = strawberry.field(description="Of these, SUCCEEDED.")
    failed: BigInt = strawberry.field(description="Of these, FAILED: they cost nothing.")
    canceled: BigInt = strawberry.field(description="Of these, CANCELED: they cost what they had used.")
    expired: BigInt = strawberry.field(description="Of these, EXPIRED: they cost nothing.")
    attempts: BigInt = strawberry.field(description="Calls of models, or tries of others, that ended.")
    input_tokens: BigInt = strawberry.field(description="Tokens read by models, cached ones among them.")
    cached_input_tokens: BigInt = strawberry.field(description="Of these, tokens at the price of cached input.")
    output_tokens: BigInt = strawberry.field(description="Tokens written by models.")
    cost: float = strawberry.field(description="What was charged, in credits, for people to read.")
    cost_micros: BigInt = strawberry.field(
        description="What was charged, exact, in micro-credits: the sum of the ledger's SETTLE entries."
    )


@strawberry.type(description="The usage of one group, such as a day or a type. What it is not grouped by is null.")
class UsageRow(UsageCounts):
    worker_key: strawberry.Private[UUID | None]
    template_key: strawberry.Private[UUID | None]
    day: date | None = strawberry.field(description="The day, of UTC.")
    type: str | None = strawberry.field(description="The type of the tasks.")
    provider: str | None = strawberry.field(description="The AI provider; null as well where none was asked.")
    model: str | None = strawberry.field(description="The model; null as well where none was asked.")

    @classmethod
    def from_row(cls, row: Row) -> Self:
        grouped: dict[str, Any] = {name: row.get(name) for name in ("day", "type", "provider", "model")}
        return cls(**_counts(row), **grouped, worker_key=row.get("worker_id"), template_key=row.get("template_id"))

    @strawberry.field(description="The id of the worker; null as well where routing decided.")
    def worker_id(self) -> strawberry.ID | None:
        return strawberry.ID(ids.encode(ids.WORKER, self.worker_key)) if self.worker_key is not None else None

    @strawberry.field(description="The worker; null as well where routing decided.")
    async def worker(self, info: Info) -> Worker | None:
        return await load_worker(info, self.worker_key)

    @strawberry.field(description="The id of the template; null as well where there was none.")
    def template_id(self) -> strawberry.ID | None:
        return strawberry.ID(ids.encode(ids.TEMPLATE, self.template_key)) if self.template_key is not None else None

    @strawberry.field(description="The template; null as well where there was none.")
    async def template(self, info: Info) -> Template | None:
        row = await info.context.loaders.template.load(self.template_key) if self.template_key is not None else None
        return Template.from_row(row) if row is not None else None


@strawberry.type(description="The usage of a period, by what was asked for.")
class UsageReport:
    from_: date = strawberry.field(name="from", description="The first day, of UTC.")
    to: date = strawberry.field(description="The last day, of UTC, which is included.")
    rows: list[UsageRow] = strawberry.field(
        description=f"In the order of their groups, at most {usage.MAX_ROWS}; without groups there is one."
    )
    total: UsageCounts = strawberry.field(description="The whole period.")
    refreshed_at: datetime | None = strawberry.field(
        description="When it was counted: what happened later is not in it yet. At most a few minutes ago while a "
        "worker process runs; null before the first time."
    )


@strawberry.type
class UsageQueries:
    @strawberry.field(
        description=f"What the tasks of at most {usage.MAX_DAYS} days were, and what they cost. For owners and admins."
    )
    async def usage(self, info: Info, from_: From = None, to: To = None, group_by: Groups = None) -> UsageReport:
        period = usage.period(from_, to, clock.now().date())
        workspace_id = info.context.principal.workspace_id
        found = await usage.read_usage(info.context.reader, workspace_id, period, group_by or [])
        return UsageReport(
            from_=period.first,
            to=period.last,
            rows=[UsageRow.from_row(row) for row in found.rows],
            total=UsageCounts(**_counts(found.total)),
            refreshed_at=found.refreshed_at,
        )


def _counts(row: Row) -> dict[str, Any]:
    exact = {name: BigInt(int(row[name])) for name in usage.COUNTS}
    return {**exact, "cost": int(row["cost_micros"]) / MICROS_PER_CREDIT}
