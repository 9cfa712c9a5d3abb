"""The ledger as owners and admins see it, and what a task would cost."""

from datetime import datetime
from typing import Self
from uuid import UUID

import strawberry

from app import ids
from app.db.hot import Row
from app.graphql.context import Info
from app.graphql.enums import described
from app.graphql.errors import UserError
from app.graphql.relay import Node, Page, PageInfo
from app.graphql.scalars import BigInt
from app.graphql.task.types import RoutingDecision, Task
from app.models import Account, LedgerKind
from app.services.billing.queries import OPERATORS_KINDS

LedgerKindType = described(
    LedgerKind,
    "Why credits moved.",
    {
        "GRANT": "Given by the installation.",
        "PURCHASE": "Bought.",
        "RESERVE": "Held for a task: what it may cost at most.",
        "SETTLE": "Charged for a task, out of what was held for it.",
        "RELEASE": "Given back when a task ended: what was held and not charged.",
        "REFUND": "A charge given back.",
        "ADJUSTMENT": "Put right by whoever operates the installation.",
        "AUTHOR_SHARE": "A template's author's part of a charge.",
    },
    hidden=OPERATORS_KINDS,
)
AccountType = described(
    Account,
    "Between which accounts credits move. Each entry takes from one what it gives to another.",
    {
        "AVAILABLE": "What the workspace can spend.",
        "RESERVED": "What is held for its tasks.",
        "REVENUE": "What it has been charged.",
        "PROMO": "Where grants come from.",
        "CLEARING": "Where purchases and adjustments come from.",
    },
    hidden={Account.PROVIDERS, Account.PROVIDER_COST},
)


@strawberry.type(description="A movement of credits. It is never changed or deleted.")
class LedgerEntry(Node):
    task_key: strawberry.Private[UUID | None]
    kind: LedgerKindType = strawberry.field(description="Why they moved.")  # type: ignore[valid-type]
    amount_micros: BigInt = strawberry.field(
        description="How much, in micro-credits. Negative where it leaves the workspace: RESERVE takes from what is "
        "available, SETTLE from what is held; RELEASE, GRANT and their like add to what is available."
    )
    balance_after_micros: BigInt = strawberry.field(description="What was available right after, in micro-credits.")
    reserved_after_micros: BigInt = strawberry.field(description="What was held right after, in micro-credits.")
    debit: AccountType = strawberry.field(description="The account it left.")  # type: ignore[valid-type]
    credit: AccountType = strawberry.field(description="The account it went to.")  # type: ignore[valid-type]
    attempt: int | None = strawberry.field(description="The attempt that ended the task, where one did.")
    reason: str | None = strawberry.field(description="What whoever moved them said.")
    created_at: datetime = strawberry.field(description="When.")

    @classmethod
    def from_row(cls, row: Row) -> Self:
        takes = row["debit"] == Account.AVAILABLE or row["kind"] == LedgerKind.SETTLE
        return cls(
            id=strawberry.ID(ids.encode(ids.LEDGER_ENTRY, UUID(int=row["seq"]))),
            task_key=row["task_id"],
            kind=LedgerKind(row["kind"]),
            amount_micros=BigInt(-row["amount_micros"] if takes else row["amount_micros"]),
            balance_after_micros=BigInt(row["available_micros"]),
            reserved_after_micros=BigInt(row["reserved_micros"]),
            debit=Account(row["debit"]),
            credit=Account(row["credit"]),
            attempt=row["attempt"],
            reason=row["reason"],
            created_at=row["created_at"],
        )

    @strawberry.field(description="The task it is about; null where it is about none.")
    async def task(self, info: Info) -> Task | None:
        row = await info.context.loaders.task.load(self.task_key) if self.task_key is not None else None
        return Task.from_row(row) if row is not None else None


@strawberry.type(description="An entry of the ledger and its place in the list.")
class LedgerEntryEdge:
    cursor: str = strawberry.field(description="Pass it as after to go on from here.")
    node: LedgerEntry = strawberry.field(description="The entry.")


@strawberry.type(description="A page of the ledger, newest entry first.")
class LedgerEntryConnection:
    edges: list[LedgerEntryEdge] = strawberry.field(description="The entries with their cursors.")
    nodes: list[LedgerEntry] = strawberry.field(description="The entries alone.")
    page_info: PageInfo = strawberry.field(description="Where the page lies in the list.")

    @classmethod
    def from_page(cls, page: Page) -> Self:
        nodes = [LedgerEntry.from_row(row) for row in page.rows]
        edges = [LedgerEntryEdge(cursor=cursor, node=node) for cursor, node in zip(page.cursors, nodes, strict=True)]
        return cls(edges=edges, nodes=nodes, page_info=page.info)


@strawberry.type(description="What a task would cost. Nothing is held or written; the price may change until then.")
class Quote:
    estimated_micros: BigInt = strawberry.field(
        description="What such a task usually costs with the first model, in micro-credits."
    )
    ceiling_micros: BigInt = strawberry.field(
        description="What would be held for it, and the most that it can cost, in micro-credits."
    )
    routing: RoutingDecision = strawberry.field(description="Which model would do it, and why.")
    errors: list[UserError] = strawberry.field(
        description="Why credits would not be held for it; empty when they would."
    )
