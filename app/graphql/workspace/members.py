"""Members and invitations as types."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

import strawberry
from sqlalchemy import RowMapping

from app import ids
from app.errors import NotFound
from app.graphql.account.types import RoleType
from app.graphql.account.user import User
from app.graphql.context import Info
from app.graphql.errors import UserError
from app.graphql.relay import Node, Page, PageInfo
from app.principal import Role


@strawberry.type(description="A person in this workspace.")
class Member:
    user_id: strawberry.Private[UUID]
    role: RoleType = strawberry.field(description="What they may do here.")  # type: ignore[valid-type]
    joined_at: datetime = strawberry.field(description="Since when they belong to it.")

    @classmethod
    def from_row(cls, row: RowMapping) -> Self:
        return cls(user_id=row["user_id"], role=Role(row["role"]), joined_at=row["created_at"])

    @strawberry.field(description="The person. Their id is what changeMemberRole and removeMember take.")
    async def user(self, info: Info) -> User:
        row = await info.context.loaders.user.load(self.user_id)
        if row is None:
            raise NotFound("User", ids.encode(ids.USER, self.user_id))
        return User.from_row(row)


@strawberry.type(description="A member and their place in the list.")
class MemberEdge:
    cursor: str = strawberry.field(description="Pass it as after to go on from here.")
    node: Member = strawberry.field(description="The member.")


@strawberry.type(description="A page of members.")
class MemberConnection:
    edges: list[MemberEdge] = strawberry.field(description="The members with their cursors.")
    nodes: list[Member] = strawberry.field(description="The members alone.")
    page_info: PageInfo = strawberry.field(description="Where the page lies in the list.")

    @classmethod
    def from_page(cls, page: Page) -> Self:
        nodes = [Member.from_row(row) for row in page.rows]
        edges = [MemberEdge(cursor=cursor, node=node) for cursor, node in zip(page.cursors, nodes, strict=True)]
        return cls(edges=edges, nodes=nodes, page_info=page.info)


@strawberry.type(description="An invitation to this workspace that is open: neither accepted, canceled nor expired.")
class Invitation(Node):
    inviter_id: strawberry.Private[UUID]
    email: str = strawberry.field(description="Who is invited; only an account with this address can accept.")
    role: RoleType = strawberry.field(description="The role they will have.")  # type: ignore[valid-type]
    created_at: datetime = strawberry.field(description="When it was sent.")
    expires_at: datetime = strawberry.field(description="When it stops working: 7 days later.")

    @classmethod
    def from_row(cls, row: dict[str, Any]) -> Self:
        """Of a row whose address has been opened."""
        return cls(
            id=strawberry.ID(ids.encode(ids.INVITATION, row["id"])),
            inviter_id=row["inviter_id"],
            email=row["email"],
            role=Role(row["role"]),
            created_at=row["created_at"],
            expires_at=row["expires_at"],
        )

    @strawberry.field(description="Who sent it, or made the API key that did.")
    async def inviter(self, info: Info) -> User | None:
        row = await info.context.loaders.user.load(self.inviter_id)
        return User.from_row(row) if row is not None else None


@strawberry.type(description="An invitation and its place in the list.")
class InvitationEdge:
    cursor: str = strawberry.field(description="Pass it as after to go on from here.")
    node: Invitation = strawberry.field(description="The invitation.")


@strawberry.type(description="A page of invitations.")
class InvitationConnection:
    edges: list[InvitationEdge] = strawberry.field(description="The invitations with their cursors.")
    nodes: list[Invitation] = strawberry.field(description="The invitations alone.")
    page_info: PageInfo = strawberry.field(description="Where the page lies in the list.")

    @classmethod
    def from_page(cls, page: Page, opened: list[dict[str, Any]]) -> Self:
        """`opened` are the page's rows with their addresses."""
        nodes = [Invitation.from_row(row) for row in opened]
        edges = [InvitationEdge(cursor=cursor, node=node) for cursor, node in zip(page.cursors, nodes, strict=True)]
        return cls(edges=edges, nodes=nodes, page_info=page.info)


@strawberry.type(description="What an invitation says to whoever has its token, before they sign up or in.")
class InvitationPreview:
    workspace_name: str = strawberry.field(description="The workspace that it is to.")
    email: str = strawberry.field(description="Who is invited; only an account with this address can accept.")
    role: RoleType = strawberry.field(description="The role they will have.")  # type: ignore[valid-type]
    expires_at: datetime = strawberry.field(description="When it stops working.")


@strawberry.type(description="What inviteMember and cancelInvitation give.")
class InvitationPayload:
    invitation: Invitation | None = strawberry.field(
        default=None, description="The invitation; null where errors say why."
    )
    token: str | None = strawberry.field(
        default=None,
        description="After inviteMember: for acceptInvitation or signUp, in a link to pass on. Shown this once.",
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it did not work; else empty.")


@strawberry.type(description="What changeMemberRole gives.")
class MemberPayload:
    member: Member | None = strawberry.field(default=None, description="The member; null where errors say why.")
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it did not work; else empty.")
