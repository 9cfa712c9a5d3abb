"""Members and invitations of a workspace."""

from datetime import datetime
from typing import Self
from uuid import UUID

import strawberry

from app import ids
from app.db.hot import Row
from app.db.sealed import INVITATION_EMAIL
from app.db.vault import Vault
from app.errors import NotFound
from app.graphql.account.roles import RoleType
from app.graphql.account.user import User
from app.graphql.context import Info
from app.graphql.errors import UserError
from app.graphql.relay import Page, PageInfo
from app.graphql.workspace.types import Workspace
from app.principal import Role


@strawberry.type(description="Somebody who belongs to the workspace.")
class Member:
    user_id: strawberry.Private[UUID]
    role: RoleType = strawberry.field(description="What they may do here.")  # type: ignore[valid-type]
    joined_at: datetime = strawberry.field(description="Since when they belong to it.")

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(user_id=row["user_id"], role=Role(row["role"]), joined_at=row["created_at"])

    @strawberry.field(description="Who it is.")
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


@strawberry.type(description="A place in the workspace, offered to an e-mail address.")
class Invitation:
    id: strawberry.ID = strawberry.field(description="What cancelInvitation takes.")
    email: str = strawberry.field(description="The address that it was sent to.")
    role: RoleType = strawberry.field(description="The role of whoever accepts it.")  # type: ignore[valid-type]
    created_at: datetime = strawberry.field(description="When it was made.")
    expires_at: datetime = strawberry.field(description="Until when it can be accepted.")

    @classmethod
    def from_row(cls, row: Row, vault: Vault) -> Self:
        return cls(
            id=strawberry.ID(ids.encode(ids.INVITATION, row["id"])),
            email=vault.open(INVITATION_EMAIL.place, row["id"], row["email"]),
            role=Role(row["role"]),
            created_at=row["created_at"],
            expires_at=row["expires_at"],
        )


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
    def from_page(cls, page: Page, vault: Vault) -> Self:
        nodes = [Invitation.from_row(row, vault) for row in page.rows]
        edges = [InvitationEdge(cursor=cursor, node=node) for cursor, node in zip(page.cursors, nodes, strict=True)]
        return cls(edges=edges, nodes=nodes, page_info=page.info)


@strawberry.type(description="What changing a workspace gives.")
class WorkspacePayload:
    workspace: Workspace | None = strawberry.field(
        default=None, description="The workspace; null where errors say why."
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it did not work; else empty.")


@strawberry.type(description="What changing a member gives.")
class MemberPayload:
    member: Member | None = strawberry.field(default=None, description="The member; null where errors say why.")
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it did not work; else empty.")


@strawberry.type(description="What inviting and canceling an invitation give.")
class InvitationPayload:
    invitation: Invitation | None = strawberry.field(
        default=None, description="The invitation; null where errors say why."
    )
    token: str | None = strawberry.field(
        default=None,
        description="After inviteMember: what acceptInvitation and signUp take, to pass on in a link. Shown this once.",
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it did not work; else empty.")
