"""Whether a webhook comes from who it says: Standard Webhooks (standardwebhooks.com, the specification's "Signature
scheme" and "Verifying webhook authenticity"; read 2026-11).

The headers are `webhook-id`, `webhook-timestamp` (seconds since 1970) and `webhook-signature`: one or more signatures
with spaces between them, each a version, a comma and base64. Version `v1` is HMAC-SHA256 of `id.timestamp.body` with
the bytes that follow `whsec_` in base64.
"""

import base64
import binascii
import hashlib
import hmac
import re
from collections.abc import Mapping
from dataclasses import dataclass

from app.errors import Forbidden

TOLERANCE_SECONDS = 300
_TIMESTAMP = re.compile(r"\d{1,12}", re.ASCII)
# Several while a key is being changed.
_MOST_SIGNATURES = 8
_LONGEST_ID = 200


class NotAuthentic(Forbidden):
    """The message says what is wrong, nothing of what would be right."""


@dataclass(frozen=True, slots=True)
class Claim:
    """What the headers say."""

    identifier: str
    timestamp: int
    signatures: tuple[bytes, ...]


def claimed(headers: Mapping[str, str], now: float) -> Claim:
    """Before the body is read. Raises NotAuthentic where no body could make it right: no signature, or not of now."""
    identifier, timestamp = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")
    signatures = tuple(_signatures(headers.get("webhook-signature", "")))
    if not identifier or len(identifier) > _LONGEST_ID or not _TIMESTAMP.fullmatch(timestamp) or not signatures:
        raise NotAuthentic("webhook-id, webhook-timestamp and webhook-signature are required.")
    if abs(now - int(timestamp)) > TOLERANCE_SECONDS:
        raise NotAuthentic(f"The timestamp is more than {TOLERANCE_SECONDS} seconds from now.")
    return Claim(identifier, int(timestamp), signatures)


def verify(claim: Claim, body: bytes, secret: str) -> None:
    """Raises NotAuthentic where none of the signatures is the secret's. All are compared, each in constant time."""
    key = base64.b64decode(secret.removeprefix("whsec_"))
    expected = hmac.digest(key, f"{claim.identifier}.{claim.timestamp}.".encode() + body, hashlib.sha256)
    if True not in [hmac.compare_digest(expected, signature) for signature in claim.signatures]:
        raise NotAuthentic("The signature is wrong.")


def _signatures(header: str) -> list[bytes]:
    found: list[bytes] = []
    for word in header.split()[:_MOST_SIGNATURES]:
        version, _, encoded = word.partition(",")
        if version == "v1":
            try:
                found.append(base64.b64decode(encoded, validate=True))
            except binascii.Error:
                continue
    return found
