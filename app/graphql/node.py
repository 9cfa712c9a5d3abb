"""node(id:) and nodes(ids:): anything by its global id, as far as the caller may see it."""

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Annotated, Any
from uuid import UUID

import strawberry

from app import ids
from app.db.hot import Row
from app.errors import LimitExceeded
from app.graphql.account.types import ApiKey
from app.graphql.account.user import User
from app.graphql.billing.budgets import Budget
from app.graphql.billing.types import LedgerEntry
from app.graphql.context import Info
from app.graphql.permissions import NODE
from app.graphql.relay import MAX_PAGE, Node
from app.graphql.task.types import Task
from app.graphql.template.types import Template, TemplateVersion
from app.graphql.worker.types import Worker
from app.graphql.workspace.types import Workspace
from app.services.account import queries as accounts
from app.services.billing import budgets
from app.services.billing import queries as billing


@strawberry.type
class NodeQueries:
    @strawberry.field(description="Anything by its global id; null where there is no such thing in this workspace.")
    async def node(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="A global id.")]
    ) -> Node | None:
        return await _load(info, id)

    @strawberry.field(
        description="Several things by their global ids, in the same order; null for each that is not there."
    )
    async def nodes(
        self,
        info: Info,
        ids: Annotated[list[strawberry.ID], strawberry.argument(description="At most 100 global ids.")],
    ) -> list[Node | None]:
        if len(ids) > MAX_PAGE:
            raise LimitExceeded(
                f"{len(ids)} ids; the limit is {MAX_PAGE}.", limit=MAX_PAGE, actual=len(ids), path=("ids",)
            )
        return await asyncio.gather(*(_load(info, item) for item in ids))


async def _load(info: Info, id: str) -> Node | None:
    found = ids.split(id)
    if found is None:
        return None
    prefix, key = found
    kind = KINDS.get(prefix)
    if kind is None:
        return None
    info.context.principal.require(NODE[kind.node.__name__])
    row = await kind.load(info, key)
    return kind.node.from_row(row) if row is not None else None


async def _workspace(info: Info, key: UUID) -> Row | None:
    row = await info.context.reader.row(accounts.workspace())
    return row if row is not None and row["id"] == key else None


async def _ledger_entry(info: Info, key: UUID) -> Row | None:
    if key.int >= 2**63:
        return None
    return await info.context.reader.row(billing.entries_by_numbers(info.context.principal.workspace_id, [key.int]))


async def _budget(info: Info, key: UUID) -> Row | None:
    return await info.context.reader.row(budgets.budgets_by_ids(info.context.principal.workspace_id, [key]))


@dataclass(frozen=True, slots=True)
class _Kind:
    """How a global id's prefix is looked up."""

    node: Any
    load: Callable[[Info, UUID], Awaitable[Row | None]]


KINDS = {
    ids.TASK: _Kind(Task, lambda info, key: info.context.loaders.task.load(key)),
    ids.WORKER: _Kind(Worker, lambda info, key: info.context.loaders.worker.load(key)),
    ids.TEMPLATE: _Kind(Template, lambda info, key: info.context.loaders.template.load(key)),
    ids.TEMPLATE_VERSION: _Kind(
        TemplateVersion,
        lambda info, key: info.context.loaders.template_version.load(key),
    ),
    ids.USER: _Kind(User, lambda info, key: info.context.loaders.user.load(key)),
    ids.WORKSPACE: _Kind(Workspace, _workspace),
    ids.LEDGER_ENTRY: _Kind(LedgerEntry, _ledger_entry),
    ids.BUDGET: _Kind(Budget, _budget),
    ids.API_KEY: _Kind(
        ApiKey,
        lambda info, key: info.context.reader.row(accounts.api_keys_by_ids([key])),
    ),
}
