"""Sign-ins that are under way at an identity provider: for ten minutes, for one callback, in one browser.

The browser keeps a secret of 256 bits in a cookie. It is the code verifier of PKCE (RFC 7636) as well: what is stored
is its SHA-256, which the provider is told as the code challenge. So neither the database nor an address that leaks is
enough to end a sign-in, nor can somebody be sent to a callback that ends with another person's account.
"""

import base64
import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app import clock
from app.db.reader import enter_workspace
from app.models import SsoFlow
from app.principal import Principal
from app.services.sso.connections import Connection

LIFETIME = timedelta(minutes=10)
BATCH = 1_000
_TAKE = text("SELECT * FROM take_sso_flow(:state, :browser)")
_EXPIRE = text("SELECT expire_sso(:most)")


@dataclass(frozen=True, slots=True)
class Begun:
    """`state` and `nonce` go to the provider; `browser` into the cookie, and to the provider as a hash."""

    state: str
    nonce: str
    browser: str


@dataclass(frozen=True, slots=True)
class Flow:
    """What was to happen after the callback."""

    connection_id: UUID
    nonce: str
    challenge: str
    return_to: str


async def begin(engine: AsyncEngine, connection: Connection, *, challenge: str, return_to: str) -> Begun:
    begun = Begun(*(secrets.token_urlsafe(32) for _ in range(3)))
    values = {
        "state": hash_of(begun.state),
        "browser": hash_of(begun.browser),
        "connection_id": connection.id,
        "workspace_id": connection.workspace_id,
        "nonce": begun.nonce,
        "challenge": challenge,
        "return_to": return_to,
        "expires_at": clock.now() + LIFETIME,
    }
    async with engine.begin() as transaction:
        await enter_workspace(transaction, Principal.system(connection.workspace_id))
        await transaction.execute(insert(SsoFlow).values(values))
    return begun


async def take(engine: AsyncEngine, state: str, browser: str) -> Flow | None:
    """None where there is none in this browser: never, not any more, or too long ago. Another browser's goes on."""
    values = {"state": hash_of(state), "browser": hash_of(browser)}
    async with engine.begin() as transaction:
        row = (await transaction.execute(_TAKE, values)).mappings().one_or_none()
    return Flow(**row) if row is not None else None


async def clear_out(engine: AsyncEngine) -> None:
    """Delete flows and codes that have run out, 1,000 at a time."""
    deleted = BATCH
    while deleted == BATCH:
        async with engine.begin() as transaction:
            deleted = (await transaction.execute(_EXPIRE, {"most": BATCH})).scalar_one()


def hash_of(text: str) -> bytes:
    return hashlib.sha256(text.encode(errors="surrogatepass")).digest()


def challenge_of(verifier: str) -> str:
    """S256 of RFC 7636 (section 4.2): BASE64URL(SHA256(verifier)), without padding."""
    return base64.urlsafe_b64encode(hash_of(verifier)).decode().rstrip("=")
