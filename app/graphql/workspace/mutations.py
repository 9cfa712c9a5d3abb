"""Fields of Mutation about workspaces and their people."""

from typing import Annotated

import strawberry

from app.graphql.account.roles import RoleType
from app.graphql.account.types import SimplePayload
from app.graphql.context import Info
from app.graphql.errors import PayloadErrors
from app.graphql.workspace.members import (
    Invitation,
    InvitationPayload,
    Member,
    MemberPayload,
    WorkspacePayload,
)
from app.graphql.workspace.types import Workspace
from app.services.account.queries import workspaces_of
from app.services.workspace import create, invitations, members

WorkspaceName = Annotated[str, strawberry.argument(description="1 to 200 characters.")]
MemberId = Annotated[strawberry.ID, strawberry.argument(description="The member's user id.")]


@strawberry.input(description="Somebody to invite.")
class InviteMemberInput:
    email: str = strawberry.field(description="Their e-mail address: only somebody who has it can accept.")
    role: RoleType = strawberry.field(description="The role they get; at most your own.")  # type: ignore[valid-type]


@strawberry.type
class WorkspaceMutations:
    @strawberry.mutation(
        description="Create another workspace; the caller is its owner. For people, not for API keys.",
        extensions=[PayloadErrors()],
    )
    async def create_workspace(self, info: Info, name: WorkspaceName) -> WorkspacePayload:
        founder = create.founder(info.context.person)
        async with info.context.unit_of_work_as(founder) as uow:
            row = await create.create_workspace(uow, name)
        return WorkspacePayload(workspace=Workspace.from_row(row))

    @strawberry.mutation(description="Rename this workspace. For owners and admins.", extensions=[PayloadErrors()])
    async def update_workspace(self, info: Info, name: WorkspaceName) -> WorkspacePayload:
        async with info.context.unit_of_work() as uow:
            row = await create.rename_workspace(uow, name)
        return WorkspacePayload(workspace=Workspace.from_row(row))

    @strawberry.mutation(
        description="Invite somebody into this workspace. Their place is kept for seven days, or until they are "
        "invited again. For owners and admins; only owners invite owners.",
        extensions=[PayloadErrors("input")],
    )
    async def invite_member(
        self, info: Info, input: Annotated[InviteMemberInput, strawberry.argument(description="Whom, and as what.")]
    ) -> InvitationPayload:
        vault, public_url = info.context.resources.vault, info.context.resources.settings.public_url
        async with info.context.unit_of_work() as uow:
            sent = await invitations.invite(uow, vault, input.email, input.role, public_url)
        return InvitationPayload(invitation=Invitation.from_row(sent.row, vault), token=sent.token)

    @strawberry.mutation(description="Take an invitation back. For owners and admins.", extensions=[PayloadErrors()])
    async def cancel_invitation(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id of the invitation.")]
    ) -> InvitationPayload:
        async with info.context.unit_of_work() as uow:
            row = await invitations.cancel_invitation(uow, id)
        return InvitationPayload(invitation=Invitation.from_row(row, info.context.resources.vault))

    @strawberry.mutation(
        description="Join the workspace that the caller was invited to. The token works once, and only for whoever "
        "signs in with the invited address; without an account, pass it to signUp instead.",
        extensions=[PayloadErrors()],
    )
    async def accept_invitation(
        self, info: Info, token: Annotated[str, strawberry.argument(description="The token of the invitation.")]
    ) -> WorkspacePayload:
        resources = info.context.resources
        offer = await invitations.offer_of(resources.engine, token, info.context.person)
        async with info.context.unit_of_work_as(offer.guest) as uow:
            await invitations.accept(uow, resources.vault, offer)
        rows = await workspaces_of(info.context.reader, info.context.person.user_id)
        (row,) = (row for row in rows if row["id"] == offer.guest.workspace_id)
        return WorkspacePayload(workspace=Workspace.from_row(row))

    @strawberry.mutation(
        description="Give a member another role; API keys that they made go no further than it. For owners and admins; "
        "only owners make or change owners.",
        extensions=[PayloadErrors()],
    )
    async def change_member_role(
        self,
        info: Info,
        user_id: MemberId,
        role: Annotated[RoleType, strawberry.argument(description="The new role.")],  # type: ignore[valid-type]
    ) -> MemberPayload:
        async with info.context.unit_of_work() as uow:
            row = await members.change_role(uow, user_id, role)
        return MemberPayload(member=Member.from_row(row))

    @strawberry.mutation(
        description="Remove a member and revoke the API keys that they made here. For owners and admins; only owners "
        "remove owners.",
        extensions=[PayloadErrors()],
    )
    async def remove_member(self, info: Info, user_id: MemberId) -> SimplePayload:
        async with info.context.unit_of_work() as uow:
            await members.remove_member(uow, user_id)
        return SimplePayload()

    @strawberry.mutation(
        description="Leave this workspace; API keys that the caller made here are revoked. Its last owner cannot.",
        extensions=[PayloadErrors()],
    )
    async def leave_workspace(self, info: Info) -> SimplePayload:
        async with info.context.unit_of_work() as uow:
            await members.leave_workspace(uow)
        return SimplePayload()

    @strawberry.mutation(
        description="Make a member the owner of this workspace; the caller stays as an admin. For owners.",
        extensions=[PayloadErrors()],
    )
    async def transfer_ownership(self, info: Info, user_id: MemberId) -> WorkspacePayload:
        async with info.context.unit_of_work() as uow:
            row = await members.transfer_ownership(uow, user_id)
        return WorkspacePayload(workspace=Workspace.from_row(row))
