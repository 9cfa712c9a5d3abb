"""Fields of Mutation about signing up and in."""

from typing import Annotated
from uuid import UUID

import strawberry

from app.db.reader import Reader
from app.graphql.account.types import AuthPayload
from app.graphql.account.user import User
from app.graphql.context import Context, Info
from app.graphql.errors import PayloadErrors
from app.graphql.workspace.types import Workspace
from app.principal import Principal, Role
from app.services.account import queries, sign_in, sign_up


@strawberry.input(description="A new account.")
class SignUpInput:
    email: str = strawberry.field(description="E-mail address; one account for each.")
    password: str = strawberry.field(description="8 to 200 characters.")
    name: str = strawberry.field(description="1 to 200 characters.")
    workspace_name: str | None = strawberry.field(
        default=None, description="Name of the first workspace; 1 to 200 characters."
    )


@strawberry.input(description="A login: e-mail address and password.")
class SignInInput:
    email: str = strawberry.field(description="E-mail address of the account.")
    password: str = strawberry.field(description="Its password.")


@strawberry.type
class AccountMutations:
    @strawberry.mutation(
        description="Create an account with a workspace of its own.", extensions=[PayloadErrors("input")]
    )
    async def sign_up(
        self, info: Info, input: Annotated[SignUpInput, strawberry.argument(description="The account.")]
    ) -> AuthPayload:
        wanted = sign_up.SignUp(input.email, input.password, input.name, input.workspace_name)
        account = await sign_up.sign_up(info.context.resources.unit_of_work, wanted)
        return await _signed_in(info.context, account.user_id)

    @strawberry.mutation(
        description="Get an access token for an existing account.", extensions=[PayloadErrors("input")]
    )
    async def sign_in(
        self, info: Info, input: Annotated[SignInInput, strawberry.argument(description="The login.")]
    ) -> AuthPayload:
        user_id = await sign_in.sign_in(info.context.resources.engine, input.email, input.password)
        return await _signed_in(info.context, user_id)


async def _signed_in(context: Context, user_id: UUID) -> AuthPayload:
    """The token, and its owner as they see themselves; the workspace only where there is no choice."""
    resources = context.resources
    token = resources.signer.issue(user_id)
    workspaces = await queries.workspaces_of(resources.engine, user_id)
    payload = AuthPayload(access_token=token.text, expires_at=token.expires_at)
    if workspaces:
        first = workspaces[0]
        # As the new caller; whoever sent this request stays who they are for the rest of it.
        await context.close()
        member = Principal(workspace_id=first["id"], role=Role.VIEWER, user_id=user_id)
        rows = await Reader(resources.engine, member, keep=False).rows(
            queries.users_by_ids({user_id, first["owner_id"]})
        )
        people = {row["id"]: User.from_row(row) for row in rows}
        payload.user = people[user_id]
        if len(workspaces) == 1:
            payload.workspace = Workspace.from_row(first, owner=people[first["owner_id"]])
    return payload
