"""The log of billing events, followed as the log of task events is.

Each is written while its workspace's row is locked, so that in a workspace the order of their numbers is the order in
which they can be seen: who has read up to a number has missed nothing below it.
"""

from collections.abc import AsyncGenerator, Mapping, Sequence
from contextlib import aclosing
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, bindparam, func, select, text
from sqlalchemy import Uuid as UuidType
from sqlalchemy.dialects.postgresql import ARRAY
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.reader import Reader
from app.events.feed import Feed
from app.events.follow import follow
from app.events.hub import Hub
from app.events.subscription import FeedStopped
from app.models import BillingEventKind
from app.principal import Permission, Principal
from app.services.billing.queries import EVENT_COLUMNS
from app.unit_of_work import workspace_channel

PAGE = 100
_READ = text("SELECT * FROM read_billing_events(:workspaces, :numbers, :page)").bindparams(
    bindparam("workspaces", type_=ARRAY(UuidType)), bindparam("numbers", type_=ARRAY(BigInteger))
)


@dataclass(frozen=True, slots=True)
class LoggedBillingEvent:
    """A row of the log. `key` is the workspace, `position` its number there alone."""

    key: UUID
    position: tuple[int]
    kind: BillingEventKind
    data: Mapping[str, Any]
    at: datetime


BillingFeed = Feed[UUID, LoggedBillingEvent]


def billing_feed(engine: AsyncEngine, hub: Hub) -> BillingFeed:
    """The process's shared tail of the log, for every workspace that somebody here watches."""

    async def read_log(places: Mapping[UUID, Any], page: int) -> Sequence[LoggedBillingEvent]:
        numbers = [position[0] for position in places.values()]
        values = {"workspaces": list(places), "numbers": numbers, "page": page}
        async with engine.connect() as connection:
            rows = (await connection.execute(_READ, values)).mappings().all()
        return [_logged(row) for row in rows]

    async def read_head(workspace_id: UUID) -> tuple[int]:
        return (await last_number(engine, workspace_id),)

    return Feed(hub, read_log, read_head, channel_of=workspace_channel, page=PAGE)


async def last_number(engine: AsyncEngine, workspace_id: UUID) -> int:
    """0 where nothing was written yet."""
    newest = select(func.coalesce(func.max(EVENT_COLUMNS.number), 0).label("number"))
    reader = Reader(engine, Principal.system(workspace_id), keep=False)
    row = await reader.row(newest.where(EVENT_COLUMNS.workspace_id == workspace_id))
    assert row is not None
    number: int = row["number"]
    return number


async def watch(feed: BillingFeed, principal: Principal, after: int) -> AsyncGenerator[LoggedBillingEvent, None]:
    """Everything after a number, in order, then live. Ends with FeedStopped when the process goes down."""
    principal.require(Permission.BILLING_READ)
    async with aclosing(follow(feed, principal.workspace_id, (after,))) as events:
        async for event in events:
            yield event
    raise FeedStopped


def _logged(row: Mapping[Any, Any]) -> LoggedBillingEvent:
    kind = BillingEventKind(row["kind"])
    return LoggedBillingEvent(row["workspace_id"], (row["number"],), kind, row["data"], row["at"])
