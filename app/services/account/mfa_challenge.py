"""Signing in where there is a second factor: the password gives a challenge, challenge and code give the session.

A challenge is `bzm_` and 256 random bits, of which the SHA-256 is stored. It holds for 5 minutes, for one session, and
for as long as the password stays the same. A wrong code does not end it: its owner mistypes, and tries are limited for
the user, not for the challenge (second_factor.py).
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta

from sqlalchemy import delete, insert, literal, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import clock
from app.db.audit import append_for_user
from app.db.vault import Vault
from app.errors import AppError, InvalidCredentials, MfaRequired
from app.models import MfaChallenge
from app.services.account import second_factor, sessions
from app.services.account.sessions import Lifetime, OpenSession
from app.services.account.sign_in import Verified

PREFIX = "bzm_"
VALID = timedelta(minutes=5)
_CHALLENGE = MfaChallenge.__table__  # type: ignore[attr-defined]
_FIND = text("SELECT user_id, password_hash, origin FROM auth_mfa_challenge(:challenge, :at)")


@dataclass(frozen=True, slots=True)
class Challenge:
    """What the client sends back with a code."""

    text: str


async def open_or_challenge(engine: AsyncEngine, verified: Verified, lifetime: Lifetime) -> OpenSession | Challenge:
    """After the right password. Raises InvalidCredentials where it has been changed since."""
    try:
        return await sessions.open_session(
            engine, verified.user_id, lifetime, password_hash=verified.password_hash, origin=verified.origin
        )
    except MfaRequired:
        return await _challenge(engine, verified)


async def complete(engine: AsyncEngine, vault: Vault, lifetime: Lifetime, challenge: str, code: str) -> OpenSession:
    """Raises InvalidCredentials naming the field, or CodesLocked."""
    now = clock.now()
    values = {"challenge": _hash_of(challenge), "at": now}
    async with engine.begin() as connection:
        found = (await connection.execute(_FIND, values)).one_or_none()
        if found is None:
            raise _not_valid()
        await sessions.enter_user(connection, found.user_id)
        factor = await second_factor.take_turn(connection, found.user_id)
        if factor is None or factor.confirmed_at is None or not await _is_there(connection, challenge):
            raise _not_valid()
        tried = await second_factor.try_code(connection, vault, factor, code, now)
        if tried.refusal is None:
            await connection.execute(delete(_CHALLENGE).where(_CHALLENGE.c.challenge_hash == _hash_of(challenge)))
        if tried.by_recovery_code:
            await append_for_user(connection, found.user_id, now, second_factor.RECOVERY_CODE_USED)
    return await _open(engine, lifetime, Verified(*found), tried.refusal)


async def _open(engine: AsyncEngine, lifetime: Lifetime, verified: Verified, refusal: AppError | None) -> OpenSession:
    if refusal is not None:
        raise refusal
    try:
        return await sessions.open_session(
            engine,
            verified.user_id,
            lifetime,
            password_hash=verified.password_hash,
            origin=verified.origin,
            mfa_at=clock.now(),
        )
    except InvalidCredentials:
        raise _not_valid() from None


async def _challenge(engine: AsyncEngine, verified: Verified) -> Challenge:
    challenge, hashed = Challenge(PREFIX + secrets.token_urlsafe(32)), verified.password_hash
    values = {
        "challenge_hash": _hash_of(challenge.text),
        "user_id": verified.user_id,
        "password_digest": hashlib.sha256(hashed.encode()).digest() if hashed is not None else None,
        "origin": verified.origin,
        "expires_at": clock.now() + VALID,
    }
    async with engine.begin() as connection:
        await sessions.enter_user(connection, verified.user_id)
        await connection.execute(insert(_CHALLENGE).values(**values))
    return challenge


async def _is_there(connection: AsyncConnection, challenge: str) -> bool:
    """Asked while it is this one's turn: whoever was before may have completed it."""
    mine = _CHALLENGE.c.challenge_hash == _hash_of(challenge)
    return (await connection.execute(select(literal(1)).where(mine))).first() is not None


def _not_valid() -> InvalidCredentials:
    return InvalidCredentials("The challenge is not valid any more; sign in with the password.", ("mfaChallenge",))


def _hash_of(challenge: str) -> bytes:
    return hashlib.sha256(challenge.encode(errors="surrogatepass")).digest()
