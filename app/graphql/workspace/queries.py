"""Fields of Query about the people of a workspace."""

import strawberry

from app.graphql.context import Info
from app.graphql.relay import After, First, PageArguments, fetch_page, uuid_key
from app.graphql.workspace.members import InvitationConnection, MemberConnection
from app.services.workspace import queries

_MEMBER_KEY = uuid_key(queries.MEMBER_KEY, "member")
_INVITATION_KEY = uuid_key(queries.INVITATION_KEY, "invitation")


@strawberry.type
class WorkspaceQueries:
    @strawberry.field(description="Who belongs to the workspace.")
    async def members(self, info: Info, first: First = None, after: After = None) -> MemberConnection:
        page = await fetch_page(info.context.reader, queries.members(), _MEMBER_KEY, PageArguments(first, after))
        return MemberConnection.from_page(page)

    @strawberry.field(
        description="The workspace's invitations that can still be accepted, oldest first. For owners and admins."
    )
    async def invitations(self, info: Info, first: First = None, after: After = None) -> InvitationConnection:
        statement, arguments = queries.invitations(), PageArguments(first, after)
        page = await fetch_page(info.context.reader, statement, _INVITATION_KEY, arguments)
        return InvitationConnection.from_page(page, info.context.resources.vault)
