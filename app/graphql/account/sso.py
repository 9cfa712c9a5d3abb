"""Fields of Mutation about single sign-on."""

from typing import Annotated

import strawberry

from app.graphql.account.sessions import lifetime_of, signed_in
from app.graphql.account.types import AuthPayload, SimplePayload
from app.graphql.context import Info
from app.graphql.errors import PayloadErrors
from app.services.account import mfa_challenge
from app.services.account.mfa_challenge import Challenge
from app.services.account.sign_in import Verified
from app.services.sso import codes
from app.services.sso.link import link

CodeArgument = Annotated[str, strawberry.argument(description="The sso_code that the page was opened with.")]
VerifierArgument = Annotated[
    str, strawberry.argument(description="What the challenge of /auth/sso/start was made of, by SHA-256.")
]


@strawberry.type
class SsoMutations:
    @strawberry.mutation(
        description="Get tokens after single sign-on (GET /auth/sso/start), for the code that it ended with. The code "
        "works once, for 60 seconds. Who has a second factor here gets a mfaChallenge for signIn instead.",
        extensions=[PayloadErrors()],
    )
    async def complete_sso(self, info: Info, code: CodeArgument, verifier: VerifierArgument) -> AuthPayload:
        resources = info.context.resources
        user_id = await codes.take_sign_in(resources.engine, code, verifier)
        entered = await mfa_challenge.open_or_challenge(
            resources.engine, Verified(user_id), lifetime_of(resources.settings)
        )
        if isinstance(entered, Challenge):
            return AuthPayload(mfa_challenge=entered.text)
        return await signed_in(info.context, entered)

    @strawberry.mutation(
        description="After single sign-on ended with ACCOUNT_EXISTS: let it sign in to the caller's account from now "
        "on. The caller is signed in to the account with that e-mail address; the code works once, for 10 minutes.",
        extensions=[PayloadErrors()],
    )
    async def link_sso(self, info: Info, code: CodeArgument, verifier: VerifierArgument) -> SimplePayload:
        resources, person = info.context.resources, info.context.person
        await info.context.close()
        await link(resources.engine, resources.unit_of_work, resources.vault, person, code, verifier)
        return SimplePayload()
