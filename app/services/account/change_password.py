"""Another password: whoever knows the present one sets it, and everybody else is signed out."""

from sqlalchemy import update
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.vault import Vault
from app.models import User
from app.principal import Person
from app.services.account import passwords, sessions
from app.services.account.failed_sign_ins import FailedSignIns
from app.services.account.own_password import verify_own_password, wrong_password
from app.services.account.step_up import require_step_up
from app.unit_of_work import UnitOfWorkFactory

_FIELD = "currentPassword"
_USER = User.__table__  # type: ignore[attr-defined]


async def change_password(
    engine: AsyncEngine,
    unit_of_work: UnitOfWorkFactory,
    vault: Vault,
    failed: FailedSignIns,
    person: Person,
    *,
    current: str,
    new: str,
    client: str | None,
) -> None:
    """Ends every other session of the caller; a second factor stays. A wrong current password counts as a sign-in that
    failed.

    Raises MfaRequired, or InvalidInput, InvalidCredentials or SignInLocked naming the field.
    """
    passwords.check_length(new, "newPassword")
    # Before the password is looked at: without the second factor nobody is told whether it is right.
    async with unit_of_work(person) as uow:
        await require_step_up(uow)
    verified = await verify_own_password(engine, vault, failed, person, current, client, _FIELD)
    password_hash = await passwords.hash_password(new)
    async with unit_of_work(person) as uow:
        unchanged = (_USER.c.id == person.user_id) & (_USER.c.password_hash == verified.password_hash)
        changed = update(_USER).where(unchanged).values(password_hash=password_hash).returning(_USER.c.id)
        if (await uow.session.execute(changed)).first() is None:
            raise wrong_password(_FIELD)
        await sessions.end_others(uow)
        uow.audit_account("password.change")
