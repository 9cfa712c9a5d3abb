"""Billing events: what a workspace's people want to know of its money, listed and live."""

from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from datetime import datetime
from typing import Annotated, Any, Self
from uuid import UUID

import strawberry

from app import clock, ids
from app.graphql.context import Info
from app.graphql.enums import described
from app.graphql.relay import (
    After,
    Before,
    First,
    Key,
    Last,
    Page,
    PageArguments,
    PageInfo,
    decode_cursor,
    encode_cursor,
    fetch_page,
)
from app.graphql.scalars import BigInt
from app.models import BillingEventKind
from app.services.account import queries as accounts
from app.services.billing import events, queries


def _number(text: str) -> int:
    value = int(text)
    if not 0 <= value < 2**63:
        raise ValueError
    return value


_NEWEST_FIRST = Key(queries.EVENT_COLUMNS.number, "billing", _number, descending=True)
BillingEventKindType = described(
    BillingEventKind,
    "What happened to a workspace's money.",
    {
        "SNAPSHOT": "Opens a subscription: what is available and held at present. It is in no list.",
        "LOW_BALANCE": "Less than a fifth is left of what there was after the last top-up.",
        "SOFT_BUDGET_PASSED": "So much of a budget is used that cheap models go first from now on.",
    },
)


@strawberry.type(description="Something about the workspace's money. What a kind has nothing to say about is null.")
class BillingEvent:
    cursor: str = strawberry.field(
        description="Pass it as after to the subscription to resume, in any process, after any outage."
    )
    kind: BillingEventKindType = strawberry.field(description="What happened.")  # type: ignore[valid-type]
    at: datetime = strawberry.field(description="When.")
    credits_micros: BigInt | None = strawberry.field(description="What was available then, in micro-credits.")
    reserved_micros: BigInt | None = strawberry.field(description="What was held for tasks then, in micro-credits.")
    topped_up_micros: BigInt | None = strawberry.field(
        description="What there was, available and held, after the last top-up, in micro-credits."
    )
    budget_id: strawberry.ID | None = strawberry.field(description="The id of the budget, which may be deleted by now.")
    soft_micros: BigInt | None = strawberry.field(description="What was passed: the budget's softMicros then.")
    used_micros: BigInt | None = strawberry.field(
        description="What was used of the budget then, charged and held, in micro-credits."
    )

    @classmethod
    def of(cls, number: int, kind: BillingEventKind, at: datetime, data: Mapping[str, Any]) -> Self:
        budget = data.get("budget")
        return cls(
            cursor=encode_cursor(_NEWEST_FIRST.tag, number),
            kind=kind,
            at=at,
            credits_micros=data.get("creditsMicros"),
            reserved_micros=data.get("reservedMicros"),
            topped_up_micros=data.get("toppedUpMicros"),
            budget_id=strawberry.ID(ids.encode(ids.BUDGET, UUID(budget))) if budget is not None else None,
            soft_micros=data.get("softMicros"),
            used_micros=data.get("usedMicros"),
        )


@strawberry.type(description="A billing event and its place in the list.")
class BillingEventEdge:
    cursor: str = strawberry.field(description="Pass it as after or before to go on from here.")
    node: BillingEvent = strawberry.field(description="The event.")


@strawberry.type(description="A page of billing events, newest first.")
class BillingEventConnection:
    edges: list[BillingEventEdge] = strawberry.field(description="The events with their cursors.")
    nodes: list[BillingEvent] = strawberry.field(description="The events alone.")
    page_info: PageInfo = strawberry.field(description="Where the page lies in the list.")

    @classmethod
    def from_page(cls, page: Page) -> Self:
        nodes = [
            BillingEvent.of(row["number"], BillingEventKind(row["kind"]), row["at"], row["data"]) for row in page.rows
        ]
        edges = [BillingEventEdge(cursor=cursor, node=node) for cursor, node in zip(page.cursors, nodes, strict=True)]
        return cls(edges=edges, nodes=nodes, page_info=page.info)


@strawberry.type
class BillingEventQueries:
    @strawberry.field(
        description="When credits ran low and soft budgets were passed, newest first. For owners and admins."
    )
    async def billing_events(
        self, info: Info, first: First = None, after: After = None, last: Last = None, before: Before = None
    ) -> BillingEventConnection:
        statement = queries.events_of(info.context.principal.workspace_id)
        page = await fetch_page(
            info.context.reader, statement, _NEWEST_FIRST, PageArguments(first, after, last, before)
        )
        return BillingEventConnection.from_page(page)


@strawberry.type
class BillingSubscriptions:
    @strawberry.subscription(
        description="Billing events live, oldest first. It begins with a SNAPSHOT that carries the present cursor; "
        "with after, with everything missed since, however long ago that was. For owners and admins."
    )
    async def billing_events(
        self,
        info: Info,
        after: Annotated[str | None, strawberry.argument(description="The cursor of the last event received.")] = None,
    ) -> AsyncGenerator[BillingEvent, None]:
        resources, workspace_id = info.context.resources, info.context.principal.workspace_id
        after = info.context.last_event_id or after
        if after is not None:
            number = decode_cursor(_NEWEST_FIRST, "after", after)
        else:
            number = await events.last_number(resources.engine, workspace_id)
            opening = await _snapshot(info, number)
            info.context.event_id = opening.cursor
            yield opening
        async with aclosing(events.watch(resources.billing_feed, info.context.principal, number)) as stream:
            async for logged in stream:
                event = BillingEvent.of(logged.position[0], logged.kind, logged.at, logged.data)
                info.context.event_id = event.cursor
                yield event


async def _snapshot(info: Info, number: int) -> BillingEvent:
    """Read after the number, so that nothing is between the two."""
    row = await info.context.reader.row(accounts.workspace())
    balance = {"creditsMicros": row["credits_micros"], "reservedMicros": row["reserved_micros"]} if row else {}
    return BillingEvent.of(number, BillingEventKind.SNAPSHOT, clock.now(), balance)
