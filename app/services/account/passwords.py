"""argon2id, in threads: hashing takes tens of milliseconds of a core and 64 MiB, so only a few run at once."""

import asyncio

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.errors import InvalidInput

MIN_LENGTH = 8
MAX_LENGTH = 200
_CONCURRENT = asyncio.Semaphore(2)
_hasher = PasswordHasher()
# Checked for unknown users, so that they take as long as known ones.
_NOBODY = _hasher.hash("nobody has this password")


def check_length(password: str) -> None:
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InvalidInput(f"The password has {MIN_LENGTH} to {MAX_LENGTH} characters.", ("password",))


async def hash_password(password: str) -> str:
    async with _CONCURRENT:
        return await asyncio.to_thread(_hasher.hash, password)


async def verify(password: str, hashed: str | None) -> bool:
    async with _CONCURRENT:
        return await asyncio.to_thread(_verify, password[: MAX_LENGTH + 1], hashed)


def _verify(password: str, hashed: str | None) -> bool:
    try:
        matches = _hasher.verify(_NOBODY if hashed is None else hashed, password)
    except (VerificationError, InvalidHashError):
        return False
    return matches and hashed is not None
