"""Fields of Query about a workspace's people."""

from typing import Annotated

import strawberry

from app.graphql.context import Info
from app.graphql.relay import After, First, PageArguments, fetch_page, uuid_key
from app.graphql.workspace.members import InvitationConnection, InvitationPreview, MemberConnection
from app.services.workspace import invitations, join, members

_MEMBER = uuid_key(members.MEMBER_ID, "member")
_INVITATION = uuid_key(invitations.INVITATION_ID, "invitation")


@strawberry.type
class WorkspaceQueries:
    @strawberry.field(description="The people in this workspace, in the order in which they signed up.")
    async def members(self, info: Info, first: First = None, after: After = None) -> MemberConnection:
        page = await fetch_page(info.context.reader, members.members(), _MEMBER, PageArguments(first, after))
        return MemberConnection.from_page(page)

    @strawberry.field(description="The open invitations to this workspace, oldest first. For owners and admins.")
    async def invitations(self, info: Info, first: First = None, after: After = None) -> InvitationConnection:
        statement = invitations.open_invitations()
        page = await fetch_page(info.context.reader, statement, _INVITATION, PageArguments(first, after))
        vault = info.context.resources.vault
        return InvitationConnection.from_page(page, [invitations.opened(vault, row) for row in page.rows])

    @strawberry.field(
        description="What the holder of an invitation's token is invited to; needs no login. NOT_FOUND once it was "
        "accepted, canceled or replaced, or has expired."
    )
    async def invitation(
        self, info: Info, token: Annotated[str, strawberry.argument(description="The invitation's token.")]
    ) -> InvitationPreview:
        resources = info.context.resources
        await info.context.close()
        found = await join.find_invitation(resources.engine, resources.vault, token)
        return InvitationPreview(
            workspace_name=found.workspace_name, email=found.email, role=found.role, expires_at=found.expires_at
        )
