"""Tokens that are mailed: who shows one reads the mails of its address.

A token is `bzt_` and 256 random bits, of which the SHA-256 is stored. It works once and ends soon; a newer one for the
same purpose ends it before. It stands in the fragment of a link (`…/reset-password#token=…`), which browsers keep to
themselves: no server on the way, no access log and no Referer has it. The frontend takes it from there.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncSession

from app.errors import InvalidCredentials

PREFIX = "bzt_"
PERIOD: Final = timedelta(hours=1)
MOST_IN_PERIOD = 3
_ISSUE = text("SELECT issue_mail_token(:purpose, :key, :member, :token, :lives, :most, :period)")
_FIND = text("SELECT find_mail_token(:purpose, :token)")
_USE = text("SELECT use_mail_token(:purpose, :token)")


class Purpose(StrEnum):
    RESET_PASSWORD = "reset-password"  # noqa: S105  the name of a page
    VERIFY_EMAIL = "verify-email"


LIVES = {Purpose.RESET_PASSWORD: timedelta(hours=1), Purpose.VERIFY_EMAIL: timedelta(hours=24)}


@dataclass(frozen=True, slots=True)
class Issued:
    """`within_limit` says whether it may be mailed: three an hour for one address. If not, it does not work."""

    token: str
    within_limit: bool


async def issue(
    session: AsyncSession | AsyncConnection, purpose: Purpose, user_id: UUID | None, *, key: bytes | None = None
) -> Issued:
    """`key` stands for the address where no user has it. Does the same in both cases."""
    token = PREFIX + secrets.token_urlsafe(32)
    values = {
        "purpose": purpose,
        "key": key if user_id is None else user_id.bytes,
        "member": user_id,
        "token": _hash_of(token),
        "lives": LIVES[purpose],
        "most": MOST_IN_PERIOD,
        "period": PERIOD,
    }
    return Issued(token, (await session.execute(_ISSUE, values)).scalar_one())


async def find(session: AsyncSession | AsyncConnection, purpose: Purpose, token: str) -> UUID:
    """Whose token it is, without using it up. Raises InvalidCredentials."""
    values = {"purpose": purpose, "token": _hash_of(token)}
    return _owner((await session.execute(_FIND, values)).scalar_one())


async def use(session: AsyncSession | AsyncConnection, purpose: Purpose, token: str) -> UUID:
    """Whose token it was. Raises InvalidCredentials: unknown, used, too old, or followed by a newer one."""
    values = {"purpose": purpose, "token": _hash_of(token)}
    return _owner((await session.execute(_USE, values)).scalar_one())


def link(public_url: str, purpose: Purpose, token: str) -> str:
    return f"{public_url}/{purpose}#token={token}"


def _owner(user_id: UUID | None) -> UUID:
    if user_id is None:
        raise InvalidCredentials("This link does not work any more: ask for a new one.", ("token",))
    return user_id


def _hash_of(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()
