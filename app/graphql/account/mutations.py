"""Fields of Mutation about signing up, in and out, and passwords."""

from typing import Annotated

import strawberry

from app import ids
from app.graphql.account.api_keys import ApiKeyMutations
from app.graphql.account.limited import Limited
from app.graphql.account.mails import MailMutations
from app.graphql.account.mfa import MfaMutations
from app.graphql.account.sessions import lifetime_of, signed_in
from app.graphql.account.sign_in import SignInInput, enter
from app.graphql.account.sso import SsoMutations
from app.graphql.account.types import AuthPayload, SimplePayload
from app.graphql.context import Info
from app.graphql.errors import PayloadErrors, user_error
from app.principal import Person, client_address
from app.services.account import change_password, sessions, sign_in, sign_up
from app.services.account.lockout import SignInLocked
from app.services.account.mfa_challenge import Challenge
from app.services.limit.attempts import Attempt
from app.services.workspace.invitations import offer_of

RefreshTokenArgument = Annotated[str, strawberry.argument(description="The refresh token, as AuthPayload gave it.")]


@strawberry.input(description="A new account.")
class SignUpInput:
    email: str = strawberry.field(description="E-mail address; one account for each.")
    password: str = strawberry.field(description="8 to 200 characters.")
    name: str = strawberry.field(description="1 to 200 characters.")
    workspace_name: str | None = strawberry.field(
        default=None, description="Name of the first workspace; 1 to 200 characters."
    )
    invitation_token: str | None = strawberry.field(
        default=None,
        description="Of an invitation to this address: join that workspace instead of having one of your own.",
    )


@strawberry.input(description="Another password.")
class ChangePasswordInput:
    current_password: str = strawberry.field(description="The present password.")
    new_password: str = strawberry.field(description="The next one: 8 to 200 characters.")


@strawberry.type
class AccountMutations(ApiKeyMutations, MfaMutations, MailMutations, SsoMutations):
    @strawberry.mutation(
        description="Create an account with a workspace of its own, and mail a link that verifies its address. Where "
        "the installation signs in verified addresses only, there is no token before that.",
        extensions=[PayloadErrors("input"), Limited(Attempt.SIGN_UP)],
    )
    async def sign_up(
        self, info: Info, input: Annotated[SignUpInput, strawberry.argument(description="The account.")]
    ) -> AuthPayload:
        resources = info.context.resources
        wanted = sign_up.SignUp(
            input.email,
            input.password,
            input.name,
            input.workspace_name,
            credits_micros=resources.settings.sign_up_micros,
        )
        offer = None
        if input.invitation_token is not None:
            newcomer = Person(ids.new_id())
            offer = await offer_of(resources.engine, input.invitation_token, newcomer, "invitationToken")
        account = await sign_up.sign_up(
            resources.unit_of_work, resources.vault, wanted, offer, public_url=resources.settings.public_url
        )
        if resources.settings.bizq_require_verified_email:
            return AuthPayload()
        session = await sessions.open_session(
            resources.engine,
            account.user_id,
            lifetime_of(resources.settings),
            origin=sign_in.origin_of(resources.vault, input.email, client_address.get()),
        )
        return await signed_in(info.context, session)

    @strawberry.mutation(
        description="Get an access token for an existing account: with email and password, and where the answer has a "
        "mfaChallenge, then with that and a code. After several failures it has to wait: LIMIT_EXCEEDED, and retryAt "
        "says until when.",
        extensions=[PayloadErrors("input"), Limited(Attempt.SIGN_IN)],
    )
    async def sign_in(
        self, info: Info, input: Annotated[SignInInput, strawberry.argument(description="The login.")]
    ) -> AuthPayload:
        try:
            entered = await enter(info.context.resources, input, client_address.get())
        except SignInLocked as locked:
            return AuthPayload(retry_at=locked.retry_at, errors=[user_error(locked, ("input",))])
        if isinstance(entered, Challenge):
            return AuthPayload(mfa_challenge=entered.text)
        return await signed_in(info.context, entered)

    @strawberry.mutation(
        description="Exchange a refresh token for a new access token and the next refresh token. Send no "
        "Authorization. Each works once: using one again ends the session, so refresh in one place at a time.",
        extensions=[PayloadErrors(), Limited(Attempt.REFRESH)],
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
        description="Change the caller's password; every other session of theirs ends. For people, not for API keys. "
        "MFA_REQUIRED where they have a second factor and stepUp was not called in the last 10 minutes.",
        extensions=[PayloadErrors("input")],
    )
    async def change_password(
        self, info: Info, input: Annotated[ChangePasswordInput, strawberry.argument(description="Both passwords.")]
    ) -> SimplePayload:
        resources, person = info.context.resources, info.context.person
        await info.context.close()
        await change_password.change_password(
            resources.engine,
            resources.unit_of_work,
            resources.vault,
            resources.failed_sign_ins,
            person,
            current=input.current_password,
            new=input.new_password,
            client=client_address.get(),
        )
        return SimplePayload()
