"""Is this code the user's second factor? A code of the authenticator app, or a recovery code.

Tries of one user take turns on the row of their factor, whatever they are for and whichever process they come to. So
the time step of a code is used once, and each 5th wrong code in a row locks for 15 minutes, then 30, then an hour;
no 15 minutes see more than five wrong ones. What comes while it is locked is neither looked at nor counted. A right
code ends the count (NIST SP 800-63B, section 5.2.2), and so do 15 minutes without a wrong one after the last or after
the lock. Five tries, with three codes of a million right at any time, guess one with a probability of 1 in 66,000.

A code that was right but has been used before is a wrong one like any other: same answer, same count.
"""

from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import Row, func, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.db.sealed import TOTP_SECRET
from app.db.vault import Vault
from app.errors import AppError, InvalidCredentials
from app.models import TotpFactor
from app.services.account import recovery_codes, totp
from app.services.account.lockout import SignInLocked

TRIES = 5
WINDOW = timedelta(minutes=15)
LONGEST_LOCK = timedelta(hours=1)
# In the audit log: whoever finds a list of recovery codes is seen there.
RECOVERY_CODE_USED = "mfa.recovery_code"
_FACTOR = TotpFactor.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Tried:
    """`refusal` is to be raised only after the commit, as a wrong code has to be counted."""

    refusal: AppError | None = None
    by_recovery_code: bool = False


class CodesLocked(SignInLocked):
    """Too many wrong codes, over all sign-ins and sessions of the user."""

    what = "codes were wrong"

    def __init__(self, retry_at: datetime) -> None:
        super().__init__(retry_at, "code")


async def take_turn(session: AsyncConnection | AsyncSession, user_id: UUID) -> Row[Any] | None:
    """The user's factor, confirmed or not, with its row locked until the transaction ends; None without one."""
    mine = select(_FACTOR).where(_FACTOR.c.user_id == user_id).with_for_update()
    return (await session.execute(mine)).one_or_none()


async def try_code(
    session: AsyncConnection | AsyncSession, vault: Vault, factor: Row[Any], code: str, now: datetime
) -> Tried:
    """A code that is right is now used up; the refusal is CodesLocked or InvalidCredentials.

    `factor` comes from `take_turn`.
    """
    if factor.locked_until is not None and factor.locked_until > now:
        return Tried(CodesLocked(factor.locked_until))
    secret = vault.open(TOTP_SECRET.place, factor.user_id, factor.secret)
    step = totp.matching_step(secret, code.replace(" ", ""), now)
    # Both are looked for, also where one is enough to know: all wrong codes take the same way.
    is_new = await _use_step(session, factor.user_id, -1 if step is None else step)
    if is_new or await recovery_codes.use(session, factor.user_id, code, now):
        await _change(session, factor.user_id, failures=0, failed_at=None, locked_until=None)
        return Tried(by_recovery_code=not is_new)
    await _change(session, factor.user_id, **_failed(factor, now))
    return Tried(InvalidCredentials("The code is wrong, or was used before.", ("code",)))


async def _use_step(session: AsyncConnection | AsyncSession, user_id: UUID, step: int) -> bool:
    later = (_FACTOR.c.user_id == user_id) & (func.coalesce(_FACTOR.c.last_step, -1) < step)
    statement = update(_FACTOR).where(later).values(last_step=step).returning(_FACTOR.c.user_id)
    return (await session.execute(statement)).first() is not None


def _failed(factor: Row[Any], now: datetime) -> dict[str, object]:
    """The count after one more failure, and the lock that it may bring."""
    before = [moment for moment in (factor.failed_at, factor.locked_until) if moment is not None]
    failures = factor.failures + 1 if before and max(before) > now - WINDOW else 1
    changed: dict[str, object] = {"failures": failures, "failed_at": now}
    if failures % TRIES == 0:
        doublings = min(failures // TRIES - 1, 2)
        changed["locked_until"] = now + min(LONGEST_LOCK, WINDOW * 2**doublings)
    return changed


async def _change(session: AsyncConnection | AsyncSession, user_id: UUID, **values: object) -> None:
    await session.execute(update(_FACTOR).where(_FACTOR.c.user_id == user_id).values(**values))
