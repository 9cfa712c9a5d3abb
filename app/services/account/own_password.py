"""The password once more, from somebody who has signed in: what follows locks its owner out if another does it."""

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.reader import Reader
from app.db.vault import Vault
from app.errors import InvalidCredentials
from app.models import User
from app.principal import Person
from app.services.account import people
from app.services.account.failed_sign_ins import FailedSignIns
from app.services.account.lockout import SignInLocked
from app.services.account.sign_in import Verified, sign_in

_USER = User.__table__  # type: ignore[attr-defined]


async def verify_own_password(
    engine: AsyncEngine,
    vault: Vault,
    failed: FailedSignIns,
    person: Person,
    password: str,
    client: str | None,
    field: str,
) -> Verified:
    """A wrong one counts as a sign-in that failed. Raises InvalidCredentials or SignInLocked naming the field."""
    email = await email_of(engine, vault, person)
    try:
        return await sign_in(engine, vault, failed, email, password, client)
    except InvalidCredentials:
        raise wrong_password(field) from None
    except SignInLocked as locked:
        raise SignInLocked(locked.retry_at, field) from None


async def email_of(engine: AsyncEngine, vault: Vault, person: Person) -> str:
    """The caller's; empty where it is gone."""
    mine = select(_USER.c.id, _USER.c.email).where(_USER.c.id == person.user_id)
    row = await Reader(engine, person, keep=False).row(mine)
    return people.email_of(vault, row) if row is not None else ""


def wrong_password(field: str) -> InvalidCredentials:
    return InvalidCredentials("The current password is wrong.", (field,))
