"""The password once more, from somebody who has signed in: what follows locks its owner out if another does it."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.reader import Reader
from app.errors import Forbidden, InvalidCredentials
from app.models import User
from app.principal import Principal
from app.services.account.lockout import SignInLocked
from app.services.account.sign_in import Verified, sign_in

_USER = User.__table__  # type: ignore[attr-defined]


async def verify_own_password(
    engine: AsyncEngine, principal: Principal, password: str, client: str | None, field: str
) -> Verified:
    """A wrong one counts as a sign-in that failed. Raises Forbidden for a caller that is no person, else
    InvalidCredentials or SignInLocked naming the field."""
    if principal.user_id is None:
        raise Forbidden("An API key has no password; sign in as a person.")
    email = await email_of(engine, principal)
    try:
        return await sign_in(engine, email, password, client)
    except InvalidCredentials:
        raise wrong_password(field) from None
    except SignInLocked as locked:
        raise SignInLocked(locked.retry_at, field) from None


async def email_of(engine: AsyncEngine, principal: Principal) -> str:
    """The caller's; empty where it is gone."""
    mine = select(_USER.c.email).where(_USER.c.id == principal.user_id)
    row = await Reader(engine, principal, keep=False).row(mine)
    return row["email"] if row is not None else ""


def wrong_password(field: str) -> InvalidCredentials:
    return InvalidCredentials("The current password is wrong.", (field,))
