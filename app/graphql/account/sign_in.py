"""The two steps of signing in: e-mail address and password, then, where there is a second factor, a code."""

import strawberry

from app.errors import InvalidInput
from app.graphql.account.sessions import lifetime_of
from app.graphql.context import Resources
from app.services.account import mfa_challenge, sign_in, verification
from app.services.account.mfa_challenge import Challenge
from app.services.account.sessions import OpenSession


@strawberry.input(description="A login: email and password, or after them mfaChallenge and code.")
class SignInInput:
    email: str | None = strawberry.field(default=None, description="E-mail address of the account.")
    password: str | None = strawberry.field(default=None, description="Its password.")
    mfa_challenge: str | None = strawberry.field(default=None, description="What signIn gave for email and password.")
    code: str | None = strawberry.field(
        default=None, description="The six digits that the authenticator app shows, or a recovery code."
    )


async def enter(resources: Resources, given: SignInInput, client: str | None) -> OpenSession | Challenge:
    """Raises InvalidInput for a mix of the two, and what the steps raise."""
    lifetime = lifetime_of(resources.settings)
    _refuse_a_mix(given)
    if given.mfa_challenge is None and given.code is None:
        email, password = _both("email", given.email, "password", given.password)
        engine, vault = resources.engine, resources.vault
        verified = await sign_in.sign_in(engine, vault, resources.failed_sign_ins, email, password, client)
        if resources.settings.bizq_require_verified_email:
            public_url = resources.settings.public_url
            await verification.require_verified(engine, vault, resources.mailer, public_url, verified.user_id)
        return await mfa_challenge.open_or_challenge(resources.engine, verified, lifetime)
    challenge, code = _both("mfaChallenge", given.mfa_challenge, "code", given.code)
    return await mfa_challenge.complete(resources.engine, resources.vault, lifetime, challenge, code)


def _refuse_a_mix(given: SignInInput) -> None:
    first = given.email is not None or given.password is not None
    for name, value in (("mfaChallenge", given.mfa_challenge), ("code", given.code)):
        if first and value is not None:
            raise InvalidInput("Give email and password, or mfaChallenge and code; not some of both.", (name,))


def _both(first: str, value: str | None, second: str, other: str | None) -> tuple[str, str]:
    if value is None:
        raise InvalidInput(f"{first} is missing: it goes with {second}.", (first,))
    if other is None:
        raise InvalidInput(f"{second} is missing: it goes with {first}.", (second,))
    return value, other
