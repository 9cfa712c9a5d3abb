"""The audit log as owners and admins see it."""

from datetime import datetime
from typing import Self
from uuid import UUID

import strawberry
from strawberry.scalars import JSON

from app import ids
from app.db.hot import Row
from app.graphql.account.roles import RoleType
from app.graphql.account.user import User
from app.graphql.context import Info
from app.graphql.relay import Page, PageInfo
from app.graphql.scalars import BigInt
from app.principal import Role


@strawberry.type(
    description="Who did what, when and from where. It is never changed or deleted, and its hash covers all before it."
)
class AuditEntry:
    user_key: strawberry.Private[UUID | None]
    seq: BigInt = strawberry.field(description="1, 2, 3 … in each workspace, without a gap.")
    at: datetime = strawberry.field(description="When it was done.")
    action: str = strawberry.field(description="What was done, such as api_key.create.")
    subject_id: str | None = strawberry.field(
        description="The id of what it was done to, such as key_…; null for none."
    )
    actor_id: strawberry.ID | None = strawberry.field(
        description="The id of the person or API key that did it; null for whoever operates the service, and where "
        "nobody knows, as with a sign-in that failed."
    )
    role: RoleType | None = strawberry.field(  # type: ignore[valid-type]
        description="What the actor was in the workspace at that time."
    )
    client_address: str | None = strawberry.field(
        description="The IP address that the request came from; null where there was none."
    )
    data: JSON = strawberry.field(description="More about it: an object, never with a secret.")
    hash: str = strawberry.field(
        description="SHA-256 over the hash of the entry before, seq and this entry, in hexadecimal. How exactly, is "
        "written in app/db/audit.py, so that it can be verified elsewhere."
    )

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            user_key=row["user_id"],
            seq=BigInt(row["seq"]),
            at=row["at"],
            action=row["action"],
            subject_id=row["subject"],
            actor_id=_actor(row),
            role=Role(row["role"]) if row["role"] else None,
            client_address=row["client_address"],
            data=row["data"],
            hash=row["hash"].hex(),
        )

    @strawberry.field(description="The person who did it, if it was one and they are still a member.")
    async def user(self, info: Info) -> User | None:
        row = await info.context.loaders.user.load(self.user_key) if self.user_key is not None else None
        return User.from_row(row) if row is not None else None


def _actor(row: Row) -> strawberry.ID | None:
    if row["user_id"] is not None:
        return strawberry.ID(ids.encode(ids.USER, row["user_id"]))
    return strawberry.ID(ids.encode(ids.API_KEY, row["api_key_id"])) if row["api_key_id"] is not None else None


@strawberry.type(description="An entry of the audit log and its place in the list.")
class AuditEntryEdge:
    cursor: str = strawberry.field(description="Pass it as after to go on from here.")
    node: AuditEntry = strawberry.field(description="The entry.")


@strawberry.type(description="A page of the audit log.")
class AuditEntryConnection:
    edges: list[AuditEntryEdge] = strawberry.field(description="The entries with their cursors.")
    nodes: list[AuditEntry] = strawberry.field(description="The entries alone.")
    page_info: PageInfo = strawberry.field(description="Where the page lies in the list.")

    @classmethod
    def from_page(cls, page: Page) -> Self:
        nodes = [AuditEntry.from_row(row) for row in page.rows]
        edges = [AuditEntryEdge(cursor=cursor, node=node) for cursor, node in zip(page.cursors, nodes, strict=True)]
        return cls(edges=edges, nodes=nodes, page_info=page.info)
