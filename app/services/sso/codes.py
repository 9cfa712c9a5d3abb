"""What a frontend gets after single sign-on, in place of tokens: a code that it exchanges once, within a minute.

A code stands in an address, so it may be seen: in a history, a log, by whoever reads over a shoulder. Alone it is worth
nothing. It goes with a verifier that the frontend made, kept to itself, and whose hash it gave when the sign-in began.
"""

import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import RowMapping, insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app import clock
from app.db.reader import enter_workspace
from app.errors import InvalidCredentials
from app.models import SsoCode
from app.principal import Principal
from app.services.sso.connections import Connection
from app.services.sso.flows import challenge_of, hash_of

PREFIX = "bzc_"
LIFETIME = timedelta(seconds=60)
# Time enough to type a password.
LINK_LIFETIME = timedelta(minutes=10)
_TAKE = text("SELECT * FROM take_sso_code(:code, :challenge, :linking)")


@dataclass(frozen=True, slots=True)
class Link:
    """An identity that waits for the owner of an account to say that it is theirs."""

    workspace_id: UUID
    user_id: UUID
    connection_id: UUID
    identity: bytes


async def keep(
    engine: AsyncEngine, connection: Connection, user_id: UUID, challenge: str, *, identity: bytes | None = None
) -> str:
    """A code for a session of the user; with `identity`, for linking it to them."""
    code = PREFIX + secrets.token_urlsafe(32)
    values = {
        "code": hash_of(code),
        "challenge": challenge,
        "workspace_id": connection.workspace_id,
        "user_id": user_id,
        "connection_id": connection.id,
        "identity": identity,
        "expires_at": clock.now() + (LIFETIME if identity is None else LINK_LIFETIME),
    }
    async with engine.begin() as transaction:
        await enter_workspace(transaction, Principal.system(connection.workspace_id))
        await transaction.execute(insert(SsoCode).values(values))
    return code


async def take_sign_in(engine: AsyncEngine, code: str, verifier: str) -> UUID:
    """Who signed in. Raises InvalidCredentials: unknown, used, too old, or not with this verifier."""
    user_id: UUID = (await _take(engine, code, verifier, linking=False))["user_id"]
    return user_id


async def take_link(engine: AsyncEngine, code: str, verifier: str) -> Link:
    """Raises InvalidCredentials, as above."""
    return Link(**await _take(engine, code, verifier, linking=True))


def not_valid() -> InvalidCredentials:
    return InvalidCredentials("The code is not valid any more; start single sign-on again.", ("code",))


async def _take(engine: AsyncEngine, code: str, verifier: str, *, linking: bool) -> RowMapping:
    values = {"code": hash_of(code), "challenge": challenge_of(verifier), "linking": linking}
    async with engine.begin() as transaction:
        row = (await transaction.execute(_TAKE, values)).mappings().one_or_none()
    if row is None:
        raise not_valid()
    return row
