"""Sessions: one sign-in, kept alive by refresh tokens that are used once.

A refresh token is `bzr_` and 256 random bits, of which the SHA-256 is stored. Each use gives a new one and ends the
old. One that is used a second time is in two hands: the whole session ends, for both, and its access tokens with it.
There is no grace, as nobody can tell an owner who repeats from a thief. So a client refreshes in one place at a time,
and one that did not get the answer signs in again.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import datetime, timedelta
from uuid import UUID

import structlog
from sqlalchemy import TextClause, bindparam, insert, literal, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import clock, ids
from app.db.audit import append_for_user
from app.errors import InvalidCredentials, MfaRequired
from app.models import RefreshToken, Session, TotpFactor, User
from app.services.account.lockout import QUIET
from app.services.account.mail_tokens import PERIOD
from app.unit_of_work import UnitOfWork

log = structlog.get_logger(__name__)

PREFIX = "bzr_"
BATCH = 1_000
_SESSION = Session.__table__  # type: ignore[attr-defined]
_USER = User.__table__  # type: ignore[attr-defined]
_FACTOR = TotpFactor.__table__  # type: ignore[attr-defined]
_ENTER_USER = text("SELECT set_config('app.user_id', :user, true)")
_REFRESH = text("SELECT outcome, member, session FROM auth_refresh_session(:old, :fresh, :idle)")
_END = text("SELECT auth_end_session(:token)")
_EXPIRE = text("SELECT expire_sessions(:most)")
_EXPIRE_CHALLENGES = text("SELECT expire_mfa_challenges(:most)")
_EXPIRE_FAILURES = text("SELECT expire_sign_in_failures(:quiet, :most)").bindparams(bindparam("quiet", QUIET))

_EXPIRE_MAIL_TOKENS = text("SELECT expire_mail_tokens(:period, :most)").bindparams(bindparam("period", PERIOD))


@dataclass(frozen=True, slots=True)
class Lifetime:
    """A session ends `idle` after its last refresh, and in any case when it is `longest` old."""

    idle: timedelta
    longest: timedelta


@dataclass(frozen=True, slots=True)
class OpenSession:
    user_id: UUID
    session_id: UUID
    refresh_token: str


async def enter_user(connection: AsyncConnection, user_id: UUID) -> None:
    """Until the transaction ends, row-level security shows this user's own rows and no workspace."""
    await connection.execute(_ENTER_USER, {"user": str(user_id)})


async def open_session(
    engine: AsyncEngine,
    user_id: UUID,
    lifetime: Lifetime,
    *,
    password_hash: str | None = None,
    origin: bytes | None = None,
    mfa_at: datetime | None = None,
) -> OpenSession:
    """`mfa_at` is when the second factor was shown.

    Raises InvalidCredentials where the password is no longer the one of `password_hash`, and MfaRequired where the user
    has a second factor that was not shown: no way of signing in gets past it by forgetting it.
    """
    opened = OpenSession(user_id, ids.new_id(), _new_token())
    now = clock.now()
    ends_at = now + lifetime.longest
    async with engine.begin() as connection:
        await enter_user(connection, user_id)
        await _still_has(connection, user_id, password_hash)
        if mfa_at is None:
            await _has_no_second_factor(connection, user_id)
        values = {"user_id": user_id, "origin": origin, "expires_at": min(now + lifetime.idle, ends_at)}
        await connection.execute(insert(Session).values(id=opened.session_id, ends_at=ends_at, mfa_at=mfa_at, **values))
        token = {"token_hash": _hash_of(opened.refresh_token), "session_id": opened.session_id, "user_id": user_id}
        await connection.execute(insert(RefreshToken).values(**token))
        await append_for_user(connection, user_id, now, "session.sign_in")
    return opened


async def refresh_session(engine: AsyncEngine, token: str, lifetime: Lifetime) -> OpenSession:
    """The session with its next token. Raises InvalidCredentials: unknown, ended, expired or used before."""
    fresh = _new_token()
    values = {"old": _hash_of(token), "fresh": _hash_of(fresh), "idle": lifetime.idle}
    async with engine.begin() as connection:
        found = (await connection.execute(_REFRESH, values)).one()
        if found.outcome == "reused":
            action = "session.refresh_token_reused"
            await append_for_user(connection, found.member, clock.now(), action, by_them=False)
    if found.outcome == "rotated":
        return OpenSession(found.member, found.session, fresh)
    if found.outcome == "reused":
        log.warning("session ended: a refresh token was used twice", session=str(found.session), user=str(found.member))
    raise InvalidCredentials("The refresh token is not valid any more; sign in again.", ("refreshToken",))


async def end_session(engine: AsyncEngine, token: str) -> None:
    """Ends the session that any of its tokens, used or not, belongs to. Nothing happens where there is none."""
    async with engine.begin() as connection:
        user_id = (await connection.execute(_END, {"token": _hash_of(token)})).scalar_one_or_none()
        if user_id is not None:
            await append_for_user(connection, user_id, clock.now(), "session.sign_out")


async def show_second_factor(uow: UnitOfWork, at: datetime | None) -> None:
    """The caller's session: the second factor was shown at this time; None where there is none any more."""
    mine = (_SESSION.c.id == uow.person.session_id) & (_SESSION.c.user_id == uow.person.user_id)
    await uow.session.execute(update(_SESSION).where(mine).values(mfa_at=at))


async def end_others(uow: UnitOfWork) -> None:
    """Every session of the caller but the one that they are calling from."""
    mine = (_SESSION.c.user_id == uow.person.user_id) & _SESSION.c.revoked_at.is_(None)
    if uow.person.session_id is not None:
        mine &= _SESSION.c.id != uow.person.session_id
    await uow.session.execute(update(_SESSION).where(mine).values(revoked_at=uow.now))


async def end_all(connection: AsyncConnection, user_id: UUID, now: datetime) -> None:
    """Every session of a user, in whose name the connection works."""
    theirs = (_SESSION.c.user_id == user_id) & _SESSION.c.revoked_at.is_(None)
    await connection.execute(update(_SESSION).where(theirs).values(revoked_at=now))


async def clear_out(engine: AsyncEngine) -> None:
    """Delete sessions, challenges and mailed tokens that have run out, and failures to sign in that do not count any
    more, 1,000 at a time."""
    await _all(engine, _EXPIRE)
    await _all(engine, _EXPIRE_CHALLENGES)
    await _all(engine, _EXPIRE_FAILURES)
    await _all(engine, _EXPIRE_MAIL_TOKENS)


async def _all(engine: AsyncEngine, statement: TextClause) -> None:
    deleted = BATCH
    while deleted == BATCH:
        async with engine.begin() as connection:
            deleted = (await connection.execute(statement, {"most": BATCH})).scalar_one()


async def _still_has(connection: AsyncConnection, user_id: UUID, password_hash: str | None) -> None:
    """Waits for a change of the password, or the start of a second factor, that is under way; one that comes later ends
    this session as well. `password_hash` None: whoever signs in has shown none."""
    unchanged = _USER.c.id == user_id
    if password_hash is not None:
        unchanged &= _USER.c.password_hash == password_hash
    if (await connection.execute(select(literal(1)).where(unchanged).with_for_update(read=True))).first() is None:
        raise InvalidCredentials("E-mail address or password is wrong.", ("password",))


async def _has_no_second_factor(connection: AsyncConnection, user_id: UUID) -> None:
    active = (_FACTOR.c.user_id == user_id) & _FACTOR.c.confirmed_at.is_not(None)
    if (await connection.execute(select(literal(1)).where(active))).first() is not None:
        raise MfaRequired("A code of the second factor is needed to sign in.")


def _new_token() -> str:
    return PREFIX + secrets.token_urlsafe(32)


def _hash_of(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
