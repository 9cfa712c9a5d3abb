"""A workspace as its members see it."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

import strawberry

from app import ids
from app.db.hot import Row
from app.errors import NotFound
from app.graphql.account.user import User
from app.graphql.context import Info
from app.graphql.relay import Node
from app.graphql.scalars import BigInt
from app.models.columns import MICROS_PER_CREDIT
from app.principal import Principal
from app.services.account import people, queries


@strawberry.type(description="A company: its tasks, workers, templates and credits, apart from everybody else's.")
class Workspace(Node):
    workspace_id: strawberry.Private[UUID]
    owner_id: strawberry.Private[UUID]
    known_owner: strawberry.Private[User | None]
    name: str = strawberry.field(description="The name people see.")
    slug: str = strawberry.field(description="The name in addresses: unique, lower case.")
    plan: str = strawberry.field(description="The plan, such as FREE.")
    credits: float = strawberry.field(description="Available credits, for people to read.")
    credits_micros: BigInt = strawberry.field(description="Available credits, exact, in micro-credits.")
    reserved_micros: BigInt = strawberry.field(description="Held for running tasks, in micro-credits.")
    created_at: datetime = strawberry.field(description="When it was created.")

    @classmethod
    def from_row(cls, row: Row, owner: User | None = None) -> Self:
        return cls(
            id=strawberry.ID(ids.encode(ids.WORKSPACE, row["id"])),
            workspace_id=row["id"],
            owner_id=row["owner_id"],
            known_owner=owner,
            name=row["name"],
            slug=row["slug"],
            plan=row["plan"],
            credits=row["credits_micros"] / MICROS_PER_CREDIT,
            credits_micros=BigInt(row["credits_micros"]),
            reserved_micros=BigInt(row["reserved_micros"]),
            created_at=row["created_at"],
        )

    @strawberry.field(description="Who owns it.")
    async def owner(self, info: Info) -> User:
        if self.known_owner is not None:
            return self.known_owner
        row = await self._owner_row(info)
        if row is None:
            raise NotFound("User", ids.encode(ids.USER, self.owner_id))
        return User.from_row(row)

    async def _owner_row(self, info: Info) -> dict[str, Any] | None:
        """In another workspace of the caller's than the request's: as its member, who sees its owner."""
        caller, context = info.context.caller, info.context
        here = isinstance(caller, Principal) and caller.workspace_id == self.workspace_id
        if here or caller is None or caller.user_id is None:
            return await context.loaders.user.load(self.owner_id)
        member = queries.member_of(self.workspace_id, caller.user_id)
        row = await context.reader.row(queries.users_by_ids({self.owner_id}), within=member)
        return people.opened(context.resources.vault, row) if row is not None else None
