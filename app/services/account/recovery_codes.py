"""Recovery codes: what a user writes down for the day when the authenticator app is gone. Each works once.

A code is 80 random bits, as 16 letters and digits of Crockford's base32 (crockford.com/base32.html) in groups of four.
That is too much to guess even for who reads the database, so the stored hash is a plain SHA-256, of user and code.
"""

import hashlib
import secrets
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, insert, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.models import RecoveryCode

COUNT = 10
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_LENGTH = 16
_GROUP = 4
# As people write: what looks like one of the alphabet is it, and what separates groups is nothing.
_READ_AS = str.maketrans({"o": "0", "i": "1", "l": "1", "-": None, " ": None})
_CODE = RecoveryCode.__table__  # type: ignore[attr-defined]


async def replace_all(session: AsyncSession, user_id: UUID) -> list[str]:
    """Ten new codes, to be shown once; those from before, used or not, are gone."""
    codes = [_new_code() for _ in range(COUNT)]
    await forget_all(session, user_id)
    rows = [{"user_id": user_id, "code_hash": hash_of(user_id, code)} for code in codes]
    await session.execute(insert(_CODE), rows)
    return codes


async def forget_all(session: AsyncConnection | AsyncSession, user_id: UUID) -> None:
    await session.execute(delete(_CODE).where(_CODE.c.user_id == user_id))


async def use(session: AsyncConnection | AsyncSession, user_id: UUID, code: str, now: datetime) -> bool:
    """Whether this was a code of the user's; from now on it is none."""
    unused = (_CODE.c.user_id == user_id) & (_CODE.c.code_hash == hash_of(user_id, code)) & _CODE.c.used_at.is_(None)
    statement = update(_CODE).where(unused).values(used_at=now).returning(_CODE.c.user_id)
    return (await session.execute(statement)).first() is not None


def hash_of(user_id: UUID, code: str) -> bytes:
    written = code.lower().translate(_READ_AS)
    return hashlib.sha256(user_id.bytes + written.encode(errors="surrogatepass")).digest()


def _new_code() -> str:
    text = "".join(secrets.choice(_ALPHABET) for _ in range(_LENGTH))
    return "-".join(text[start : start + _GROUP] for start in range(0, _LENGTH, _GROUP))
