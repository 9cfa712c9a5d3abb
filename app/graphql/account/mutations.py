"""Fields of Mutation about signing up, in and out, and passwords."""

from typing import Annotated

import strawberry

from app.graphql.account.api_keys import ApiKeyMutations
from app.graphql.account.sessions import lifetime_of, signed_in
from app.graphql.account.types import AuthPayload, SimplePayload
from app.graphql.context import Info
from app.graphql.errors import PayloadErrors, user_error
from app.principal import client_address
from app.services.account import change_password, sessions, sign_in, sign_up
from app.services.account.lockout import SignInLocked
from app.services.account.sign_up_invited import sign_up_invited

RefreshTokenArgument = Annotated[str, strawberry.argument(description="The refresh token, as AuthPayload gave it.")]


@strawberry.input(description="A new account.")
class SignUpInput:
    email: str = strawberry.field(description="E-mail address; one account for each.")
    password: str = strawberry.field(description="8 to 200 characters.")
    name: str = strawberry.field(description="1 to 200 characters.")
    workspace_name: str | None = strawberry.field(
        default=None, description="Name of the first workspace; 1 to 200 characters."
    )
    invitation: str | None = strawberry.field(
        default=None,
        description="Token of an invitation to this address: joins its workspace instead of getting a first one.",
    )


@strawberry.input(description="A login: e-mail address and password.")
class SignInInput:
    email: str = strawberry.field(description="E-mail address of the account.")
    password: str = strawberry.field(description="Its password.")


@strawberry.input(description="Another password.")
class ChangePasswordInput:
    current_password: str = strawberry.field(description="The present password.")
    new_password: str = strawberry.field(description="The next one: 8 to 200 characters.")


@strawberry.type
class AccountMutations(ApiKeyMutations):
    @strawberry.mutation(
        description="Create an account, with a workspace of its own or in the one that it is invited to.",
        extensions=[PayloadErrors("input")],
    )
    async def sign_up(
        self, info: Info, input: Annotated[SignUpInput, strawberry.argument(description="The account.")]
    ) -> AuthPayload:
        resources = info.context.resources
        wanted = sign_up.SignUp(input.email, input.password, input.name, input.workspace_name)
        if input.invitation is None:
            account = await sign_up.sign_up(resources.unit_of_work, wanted)
        else:
            account = await sign_up_invited(
                resources.engine, resources.unit_of_work, resources.vault, wanted, input.invitation
            )
        session = await sessions.open_session(
            resources.engine,
            account.user_id,
            lifetime_of(resources.settings),
            origin=sign_in.origin_of(input.email, client_address.get()),
        )
        return await signed_in(info.context, session)

    @strawberry.mutation(
        description="Get an access token for an existing account. After several failures it has to wait: "
        "LIMIT_EXCEEDED, and retryAt says until when.",
        extensions=[PayloadErrors("input")],
    )
    async def sign_in(
        self, info: Info, input: Annotated[SignInInput, strawberry.argument(description="The login.")]
    ) -> AuthPayload:
        resources = info.context.resources
        try:
            verified = await sign_in.sign_in(resources.engine, input.email, input.password, client_address.get())
        except SignInLocked as locked:
            return AuthPayload(retry_at=locked.retry_at, errors=[user_error(locked, ("input",))])
        session = await sessions.open_session(
            resources.engine,
            verified.user_id,
            lifetime_of(resources.settings),
            password_hash=verified.password_hash,
            origin=verified.origin,
        )
        return await signed_in(info.context, session)

    @strawberry.mutation(
        description="Exchange a refresh token for a new access token and the next refresh token. Send no "
        "Authorization. Each works once: using one again ends the session, so refresh in one place at a time.",
        extensions=[PayloadErrors()],
    )
    async def refresh_session(self, info: Info, refresh_token: RefreshTokenArgument) -> AuthPayload:
        resources = info.context.resources
        lifetime = lifetime_of(resources.settings)
        session = await sessions.refresh_session(resources.engine, refresh_token, lifetime)
        return await signed_in(info.context, session)

    @strawberry.mutation(
        description="End the session of a refresh token: its access tokens stop working within a second. "
        "It is no error if the session has ended before.",
        extensions=[PayloadErrors()],
    )
    async def sign_out(self, info: Info, refresh_token: RefreshTokenArgument) -> SimplePayload:
        await sessions.end_session(info.context.resources.engine, refresh_token)
        return SimplePayload()

    @strawberry.mutation(
        description="Change the caller's password; every other session of theirs ends. For people, not for API keys.",
        extensions=[PayloadErrors("input")],
    )
    async def change_password(
        self, info: Info, input: Annotated[ChangePasswordInput, strawberry.argument(description="Both passwords.")]
    ) -> SimplePayload:
        resources, principal = info.context.resources, info.context.principal
        await info.context.close()
        await change_password.change_password(
            resources.engine,
            resources.unit_of_work,
            principal,
            current=input.current_password,
            new=input.new_password,
            client=client_address.get(),
        )
        return SimplePayload()
