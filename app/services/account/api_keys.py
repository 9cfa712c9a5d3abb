"""API keys: `bzq_live_` and 256 random bits. Only the SHA-256 is stored: nothing to guess, so nothing to slow down."""

import hashlib
import secrets
from dataclasses import dataclass

PREFIX = "bzq_live_"
_SHOWN = len(PREFIX) + 4


@dataclass(frozen=True, slots=True)
class NewKey:
    """`secret` is shown to its owner once; `prefix` is what lists show."""

    secret: str
    prefix: str
    hash: bytes


def generate() -> NewKey:
    return from_secret(PREFIX + secrets.token_urlsafe(32))


def from_secret(secret: str) -> NewKey:
    return NewKey(secret, secret[:_SHOWN], hash_of(secret))


def hash_of(secret: str) -> bytes:
    return hashlib.sha256(secret.encode()).digest()
