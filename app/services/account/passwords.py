"""argon2id, in threads: hashing takes tens of milliseconds of a core and 64 MiB, so only a few run at once."""

import asyncio
import base64
import secrets
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from argon2 import PasswordHasher
from argon2.exceptions import InvalidHashError, VerificationError

from app.errors import InvalidInput

MIN_LENGTH = 8
MAX_LENGTH = 200
CONCURRENT = 2
_SLOTS = asyncio.Semaphore(CONCURRENT)
_hasher = PasswordHasher()


def _nobody() -> str:
    """A hash with the costs of all others that no password is known for: it is random, so nothing has to be hashed."""
    salt, tag = (
        base64.b64encode(secrets.token_bytes(size)).decode().rstrip("=")
        for size in (_hasher.salt_len, _hasher.hash_len)
    )
    return f"$argon2id$v=19$m={_hasher.memory_cost},t={_hasher.time_cost},p={_hasher.parallelism}${salt}${tag}"


# Checked for unknown users, so that they take as long as known ones.
_NOBODY = _nobody()


def check_length(password: str, field: str = "password") -> None:
    if not MIN_LENGTH <= len(password) <= MAX_LENGTH:
        raise InvalidInput(f"The password has {MIN_LENGTH} to {MAX_LENGTH} characters.", (field,))


async def hash_password(password: str) -> str:
    async with slot():
        return await asyncio.to_thread(_hasher.hash, password)


@asynccontextmanager
async def slot() -> AsyncIterator[None]:
    """One of the few places in which a password may be hashed; waits for its turn."""
    async with _SLOTS:
        yield


async def verify(password: str, hashed: str | None) -> bool:
    """To be called in a `slot`."""
    return await asyncio.to_thread(_verify, password[: MAX_LENGTH + 1], hashed)


def _verify(password: str, hashed: str | None) -> bool:
    try:
        matches = _hasher.verify(_NOBODY if hashed is None else hashed, password)
    except (VerificationError, InvalidHashError):
        return False
    return matches and hashed is not None
