"""Another password: whoever knows the present one sets it, and everybody else is signed out."""

from sqlalchemy import select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.reader import Reader
from app.db.vault import Vault
from app.errors import Forbidden, InvalidCredentials
from app.models import User
from app.principal import Principal
from app.services.account import passwords, people, sessions
from app.services.account.failed_sign_ins import FailedSignIns
from app.services.account.lockout import SignInLocked
from app.services.account.sign_in import sign_in
from app.unit_of_work import UnitOfWorkFactory

_USER = User.__table__  # type: ignore[attr-defined]


async def change_password(
    engine: AsyncEngine,
    unit_of_work: UnitOfWorkFactory,
    vault: Vault,
    failed: FailedSignIns,
    principal: Principal,
    *,
    current: str,
    new: str,
    client: str | None,
) -> None:
    """Ends every other session of the caller. A wrong current password counts as a sign-in that failed.

    Raises Forbidden for a caller that is no person, InvalidInput, InvalidCredentials or SignInLocked naming the field.
    """
    if principal.user_id is None:
        raise Forbidden("An API key has no password; sign in as a person.")
    passwords.check_length(new, "newPassword")
    mine = select(_USER.c.id, _USER.c.email).where(_USER.c.id == principal.user_id)
    row = await Reader(engine, principal, keep=False).row(mine)
    email = people.email_of(vault, row) if row is not None else ""
    try:
        verified = await sign_in(engine, vault, failed, email, current, client)
    except InvalidCredentials:
        raise _wrong() from None
    except SignInLocked as locked:
        raise SignInLocked(locked.retry_at, "currentPassword") from None
    password_hash = await passwords.hash_password(new)
    async with unit_of_work(principal) as uow:
        unchanged = (_USER.c.id == principal.user_id) & (_USER.c.password_hash == verified.password_hash)
        changed = update(_USER).where(unchanged).values(password_hash=password_hash).returning(_USER.c.id)
        if (await uow.session.execute(changed)).first() is None:
            raise _wrong()
        await sessions.end_others(uow)
        uow.audit_account("password.change")


def _wrong() -> InvalidCredentials:
    return InvalidCredentials("The current password is wrong.", ("currentPassword",))
