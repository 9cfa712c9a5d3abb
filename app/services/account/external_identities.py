"""Which user somebody is whom another identity provider knows.

An identity belongs to one user for good. It is never given to an account that exists because their e-mail addresses
are the same: whoever runs a provider could then sign in as anybody. The account's owner links it, signed in.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import insert, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.errors import InvalidInput
from app.models import ExternalIdentity
from app.services.account.people import normalized_email
from app.services.workspace.create import MAX_NAME_LENGTH

_FIND = text("SELECT external_user(:identity)")
_HOLD = text("SELECT pg_advisory_xact_lock(hashtextextended(:identity, 0))")


@dataclass(frozen=True, slots=True)
class ExternalPerson:
    """Who a provider says it is. `email` is in lower case, None unless the provider says that it has verified it."""

    issuer: str
    subject: str
    email: str | None
    name: str

    @property
    def identity(self) -> bytes:
        return hashlib.sha256(f"{self.issuer}\0{self.subject}".encode(errors="surrogatepass")).digest()

    @classmethod
    def of(cls, claims: Mapping[str, Any]) -> "ExternalPerson":
        """From verified claims (OpenID Connect Core 1.0, section 5.1), of which `iss` and `sub` are there."""
        email = _verified_email(claims)
        return cls(claims["iss"], claims["sub"], email, _name(claims) or (email or "").partition("@")[0])


async def find_user(connection: AsyncConnection | AsyncSession, identity: bytes) -> UUID | None:
    found: UUID | None = (await connection.execute(_FIND, {"identity": identity})).scalar_one()
    return found


async def hold(session: AsyncSession, identity: bytes) -> UUID | None:
    """The user, after which nobody else adds this identity before the transaction ends."""
    await session.execute(_HOLD, {"identity": identity.hex()})
    return await find_user(session, identity)


async def add(session: AsyncSession, user_id: UUID, identity: bytes, issuer: str) -> None:
    """In a transaction of this user, which holds the identity."""
    await session.execute(insert(ExternalIdentity).values(identity=identity, user_id=user_id, issuer=issuer))


def _verified_email(claims: Mapping[str, Any]) -> str | None:
    # Some providers send the flag as text.
    if claims.get("email_verified") not in (True, "true") or not isinstance(claims.get("email"), str):
        return None
    try:
        return normalized_email(claims["email"])
    except InvalidInput:
        return None


def _name(claims: Mapping[str, Any]) -> str:
    name = claims.get("name")
    if not isinstance(name, str):
        return ""
    return name.encode(errors="ignore").decode().replace("\0", "").strip()[:MAX_NAME_LENGTH]
