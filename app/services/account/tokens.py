"""Access tokens: JWTs signed with Ed25519 (RFC 8037), one algorithm, short-lived."""

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from app import clock, ids
from app.errors import Unauthenticated

ALGORITHM = "EdDSA"
ISSUER = AUDIENCE = "bizq"


@dataclass(frozen=True, slots=True)
class AccessToken:
    text: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid access token says."""

    user_id: UUID
    expires_at: datetime


class TokenSigner:
    """`key` is the 32-byte seed of the private key; every process of an installation has the same."""

    def __init__(self, key: bytes, lifetime_seconds: int) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(key)
        self._public = self._private.public_key()
        raw = self._public.public_bytes(Encoding.Raw, PublicFormat.Raw)
        self._kid = hashlib.sha256(raw).hexdigest()[:16]
        self._lifetime = timedelta(seconds=lifetime_seconds)

    def issue(self, user_id: UUID) -> AccessToken:
        now = clock.now()
        expires_at = now + self._lifetime
        claims = {
            "iss": ISSUER,
            "aud": AUDIENCE,
            "sub": ids.encode(ids.USER, user_id),
            "iat": now,
            "exp": expires_at,
            "jti": uuid4().hex,
        }
        text = jwt.encode(claims, self._private, algorithm=ALGORITHM, headers={"kid": self._kid})
        return AccessToken(text, expires_at)

    def claims_of(self, token: str) -> Claims:
        """Whose token it is, and until when. Raises Unauthenticated: expired, or not ours."""
        try:
            claims = jwt.decode(
                token,
                self._public,
                algorithms=[ALGORITHM],
                issuer=ISSUER,
                audience=AUDIENCE,
                options={"require": ["exp", "iat", "sub", "iss", "aud"]},
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The access token has expired; sign in again.") from None
        except jwt.InvalidTokenError:
            raise Unauthenticated("The access token is not valid.") from None
        user_id = ids.decode(ids.USER, claims["sub"])
        if user_id is None:
            raise Unauthenticated("The access token is not valid.")
        return Claims(user_id, datetime.fromtimestamp(claims["exp"], UTC))
