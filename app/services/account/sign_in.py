"""E-mail address and password, checked the same way whoever asks."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Row, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.vault import Vault
from app.errors import InvalidCredentials, InvalidInput
from app.services.account import lockout, passwords, people
from app.services.account.failed_sign_ins import FailedSignIns
from app.services.account.lockout import Attempt, SignInLocked
from app.services.account.people import normalized_email

_SIGN_IN = text(
    "SELECT user_id, password_hash, locked_until FROM auth_sign_in(:logins, :origins, :addresses, :accounts)"
)


@dataclass(frozen=True, slots=True)
class Verified:
    """Whoever showed a first factor. `password_hash` is what a password was compared with; None where it was none."""

    user_id: UUID
    password_hash: str | None = None
    origin: bytes | None = None


async def sign_in(
    engine: AsyncEngine, vault: Vault, failed: FailedSignIns, email: str, password: str, client: str | None
) -> Verified:
    """`client` is the address that the request comes from.

    Raises InvalidCredentials, the same and after the same time for an unknown address, or SignInLocked.
    """
    login = _login(email)
    attempt = Attempt.of(vault, login or email, client)
    logins = people.logins(vault, login) if login else []
    # Without waiting for a turn, which somebody who tries again and again would take from others.
    await _look_up(engine, logins, attempt)
    async with passwords.slot():
        # Again: others may have failed while this one waited. So no more than the slots of all processes get past the
        # limit together.
        user = await _look_up(engine, logins, attempt)
        matches = await passwords.verify(password, user.password_hash)
        if not matches or user.user_id is None:
            await lockout.record_failure(engine, attempt)
            if user.user_id is not None:
                failed.note(user.user_id, attempt)
            raise InvalidCredentials("E-mail address or password is wrong.", ("password",))
    await lockout.forget(engine, attempt)
    return Verified(user.user_id, user.password_hash, attempt.origin)


async def user_with_password(engine: AsyncEngine, vault: Vault, email: str) -> UUID | None:
    """Who signs in with this address (`normalized_email`) and a password, locked out or not."""
    nobody: dict[str, list[bytes]] = {"origins": [], "addresses": [], "accounts": []}
    async with engine.connect() as connection:
        user = (await connection.execute(_SIGN_IN, {"logins": people.logins(vault, email), **nobody})).one()
    return user.user_id if user.password_hash is not None else None


def origin_of(vault: Vault, email: str, client: str | None) -> bytes:
    """What a session that is opened without a password remembers: who signed in, and from where."""
    return Attempt.of(vault, _login(email) or email, client).origin


def _login(email: str) -> str:
    """Empty where it is no address: nobody has it."""
    try:
        return normalized_email(email)
    except InvalidInput:
        return ""


async def _look_up(
    engine: AsyncEngine, logins: list[bytes], attempt: Attempt
) -> Row[tuple[UUID | None, str | None, object]]:
    async with engine.connect() as connection:
        user = (await connection.execute(_SIGN_IN, {"logins": logins, **attempt.values})).one()
    if user.locked_until is not None:
        raise SignInLocked(user.locked_until)
    return user
