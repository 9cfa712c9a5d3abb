"""What can do lasting harm needs a second factor that was shown a moment ago, of whoever has one.

It is looked for in the transaction of the change, not in what the authenticator remembers: right after stepUp every
process knows of it, and a socket that was opened before as well.
"""

from datetime import datetime, timedelta

from sqlalchemy import select

from app.db.vault import Vault
from app.errors import Forbidden, InvalidState, MfaRequired
from app.models import Session, TotpFactor
from app.principal import Person
from app.services.account import second_factor, sessions
from app.unit_of_work import UnitOfWork, UnitOfWorkFactory

FRESH = timedelta(minutes=10)
_SESSION = Session.__table__  # type: ignore[attr-defined]
_FACTOR = TotpFactor.__table__  # type: ignore[attr-defined]


async def require_step_up(uow: UnitOfWork) -> None:
    """Raises MfaRequired where the caller has a second factor and did not show it in the last 10 minutes.

    API keys and people without a second factor are not asked.
    """
    caller = uow.caller
    if caller.user_id is None:
        return
    session = (_SESSION.c.id == caller.session_id) & _SESSION.c.revoked_at.is_(None)
    active = (_FACTOR.c.user_id == caller.user_id) & _FACTOR.c.confirmed_at.is_not(None)
    statement = select(_SESSION.c.mfa_at).select_from(_FACTOR.outerjoin(_SESSION, session)).where(active)
    row = (await uow.session.execute(statement)).one_or_none()
    if row is not None and (row.mfa_at is None or row.mfa_at + FRESH <= uow.now):
        minutes = int(FRESH.total_seconds() // 60)
        raise MfaRequired(
            f"This needs your second factor: call stepUp with a code, then repeat it within {minutes} minutes."
        )


async def step_up(unit_of_work: UnitOfWorkFactory, vault: Vault, person: Person, code: str) -> datetime:
    """Until when the caller's session is fresh. Raises Forbidden, InvalidState, InvalidCredentials or CodesLocked."""
    if person.session_id is None:
        raise Forbidden("Only a person who has signed in can show a second factor.")
    async with unit_of_work(person) as uow:
        factor = await second_factor.take_turn(uow.session, person.user_id)
        if factor is None or factor.confirmed_at is None:
            raise InvalidState("You have no second factor; nothing asks for it.")
        tried = await second_factor.try_code(uow.session, vault, factor, code, uow.now)
        if tried.refusal is None:
            await sessions.show_second_factor(uow, uow.now)
        if tried.by_recovery_code:
            uow.audit_account(second_factor.RECOVERY_CODE_USED)
    if tried.refusal is not None:
        raise tried.refusal
    return uow.now + FRESH
