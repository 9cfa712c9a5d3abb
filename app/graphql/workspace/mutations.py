"""Fields of Mutation about workspaces and their people."""

from typing import Annotated

import strawberry

from app.graphql.account.types import RoleType, SimplePayload
from app.graphql.context import Info
from app.graphql.errors import PayloadErrors
from app.graphql.workspace.members import Invitation, InvitationPayload, Member, MemberPayload
from app.graphql.workspace.types import Workspace, WorkspacePayload
from app.principal import Role
from app.services.account.queries import workspace_of
from app.services.workspace import create, invitations, join, members, update

UserId = Annotated[strawberry.ID, strawberry.argument(description="The id of the member's user.")]


@strawberry.input(description="A workspace to create.")
class CreateWorkspaceInput:
    name: str = strawberry.field(description="The name people see; 1 to 200 characters.")


@strawberry.input(description="What to change about a workspace.")
class UpdateWorkspaceInput:
    name: str = strawberry.field(description="The name people see; 1 to 200 characters. The slug stays.")


@strawberry.input(description="Whom to invite, and as what.")
class InviteMemberInput:
    email: str = strawberry.field(description="E-mail address of the person; only an account with it can accept.")
    role: RoleType = strawberry.field(  # type: ignore[valid-type]
        default=Role.MEMBER, description="The role they will have; one that you could have yourself."
    )


@strawberry.type
class WorkspaceMutations:
    @strawberry.mutation(
        description="Create a workspace of which the caller is the owner. For people, not for API keys.",
        extensions=[PayloadErrors("input")],
    )
    async def create_workspace(
        self, info: Info, input: Annotated[CreateWorkspaceInput, strawberry.argument(description="The workspace.")]
    ) -> WorkspacePayload:
        resources, principal = info.context.resources, info.context.principal
        await info.context.close()
        row = await create.create_workspace(resources.unit_of_work, principal, input.name)
        return WorkspacePayload(workspace=Workspace.from_row(row))

    @strawberry.mutation(
        description="Rename this workspace. For owners and admins.", extensions=[PayloadErrors("input")]
    )
    async def update_workspace(
        self, info: Info, input: Annotated[UpdateWorkspaceInput, strawberry.argument(description="The changes.")]
    ) -> WorkspacePayload:
        async with info.context.unit_of_work() as uow:
            row = await update.update_workspace(uow, name=input.name)
        return WorkspacePayload(workspace=Workspace.from_row(row))

    @strawberry.mutation(
        description="Invite somebody to this workspace, for 7 days. Inviting an address again replaces its invitation. "
        "For owners and admins; owners are invited by owners.",
        extensions=[PayloadErrors("input")],
    )
    async def invite_member(
        self, info: Info, input: Annotated[InviteMemberInput, strawberry.argument(description="The invitation.")]
    ) -> InvitationPayload:
        async with info.context.unit_of_work() as uow:
            invited = await invitations.invite_member(uow, info.context.resources.vault, input.email, input.role)
        # Here, after the commit, is where a message with the token leaves.
        return InvitationPayload(invitation=Invitation.from_row(invited.row), token=invited.token)

    @strawberry.mutation(
        description="Take an open invitation back: its token stops working. For owners and admins.",
        extensions=[PayloadErrors()],
    )
    async def cancel_invitation(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id of the invitation.")]
    ) -> InvitationPayload:
        async with info.context.unit_of_work() as uow:
            row = await invitations.cancel_invitation(uow, info.context.resources.vault, id)
        return InvitationPayload(invitation=Invitation.from_row(row))

    @strawberry.mutation(
        description="Join the workspace that an invitation is to; it works once. For a person whose account has the "
        "invited e-mail address. Who has no account yet signs up with it: SignUpInput.invitation.",
        extensions=[PayloadErrors()],
    )
    async def accept_invitation(
        self, info: Info, token: Annotated[str, strawberry.argument(description="The invitation's token.")]
    ) -> WorkspacePayload:
        context, resources = info.context, info.context.resources
        await context.close()
        workspace_id = await join.accept_invitation(
            resources.engine, resources.unit_of_work, resources.vault, context.principal, token
        )
        row = await workspace_of(context.reader, context.principal.require_person(), workspace_id)
        return WorkspacePayload(workspace=Workspace.from_row(row) if row is not None else None)

    @strawberry.mutation(
        description="Give a member another role. Their API keys here may do no more than it from then on. For owners "
        "and admins; only owners make owners, and admins of them.",
        extensions=[PayloadErrors()],
    )
    async def change_member_role(
        self,
        info: Info,
        user_id: UserId,
        role: Annotated[RoleType, strawberry.argument(description="Their next role.")],  # type: ignore[valid-type]
    ) -> MemberPayload:
        async with info.context.unit_of_work() as uow:
            row = await members.change_member_role(uow, user_id, role)
        return MemberPayload(member=Member.from_row(row))

    @strawberry.mutation(
        description="Take a member out of this workspace: their access ends within a second, and so do the API keys "
        "they made here and the invitations they sent. For owners and admins; only owners remove owners.",
        extensions=[PayloadErrors()],
    )
    async def remove_member(self, info: Info, user_id: UserId) -> SimplePayload:
        async with info.context.unit_of_work() as uow:
            await members.remove_member(uow, user_id)
        return SimplePayload()

    @strawberry.mutation(
        description="Leave this workspace; API keys made and invitations sent here end. The last owner cannot.",
        extensions=[PayloadErrors()],
    )
    async def leave_workspace(self, info: Info) -> SimplePayload:
        async with info.context.unit_of_work() as uow:
            await members.leave_workspace(uow)
        return SimplePayload()

    @strawberry.mutation(
        description="Make another member the owner of this workspace; the caller stays as an admin. For owners, as "
        "people.",
        extensions=[PayloadErrors()],
    )
    async def transfer_ownership(self, info: Info, user_id: UserId) -> WorkspacePayload:
        async with info.context.unit_of_work() as uow:
            row = await members.transfer_ownership(uow, user_id)
        return WorkspacePayload(workspace=Workspace.from_row(row))
