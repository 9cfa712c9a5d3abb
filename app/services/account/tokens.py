"""Access tokens: JWTs signed with Ed25519 (RFC 8037), one algorithm, short-lived."""

import base64
import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from uuid import UUID, uuid4

import jwt
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.types import Options

from app import clock, ids
from app.errors import Unauthenticated

ALGORITHM = "EdDSA"
ISSUER = AUDIENCE = "bizq"
SESSION = "ses"
# The start of a token is what somebody else's clock says; exp is what ends it.
_CHECKS: Options = {"require": ["exp", "iat", "sub", "iss", "aud"], "verify_iat": False}


class NotOurs(Unauthenticated):
    """No key of ours has the name that the token gives: it may be another issuer's."""


@dataclass(frozen=True, slots=True)
class AccessToken:
    text: str
    expires_at: datetime


@dataclass(frozen=True, slots=True)
class Claims:
    """What a valid access token says. `session_id` is None where it was not issued for a session."""

    user_id: UUID
    expires_at: datetime
    session_id: UUID | None


class TokenSigner:
    """`key` is the 32-byte seed of the private key; every process of an installation has the same.

    Tokens of the keys in `others` are good as well: so a key can be replaced while the service runs.
    """

    def __init__(self, key: bytes, lifetime_seconds: int, others: Sequence[bytes] = ()) -> None:
        self._private = Ed25519PrivateKey.from_private_bytes(key)
        self._kid = _kid(self._private.public_key())
        publics = [Ed25519PrivateKey.from_private_bytes(seed).public_key() for seed in (key, *others)]
        self._publics = {_kid(public): public for public in publics}
        self._lifetime = timedelta(seconds=lifetime_seconds)

    def issue(self, user_id: UUID, session_id: UUID | None = None) -> AccessToken:
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
        if session_id is not None:
            claims["sid"] = ids.encode(SESSION, session_id)
        text = jwt.encode(claims, self._private, algorithm=ALGORITHM, headers={"kid": self._kid})
        return AccessToken(text, expires_at)

    def claims_of(self, token: str) -> Claims:
        """Whose token it is, and until when. Raises Unauthenticated: expired, or not ours (NotOurs).

        Of the header only `alg` and `kid` are read: a key or an address in it is what an attacker would put there.
        """
        try:
            public = self._publics[jwt.get_unverified_header(token).get("kid", "")]
            claims = jwt.decode(
                token, public, algorithms=[ALGORITHM], issuer=ISSUER, audience=AUDIENCE, options=_CHECKS
            )
        except jwt.ExpiredSignatureError:
            raise Unauthenticated("The access token has expired; sign in again.") from None
        except KeyError:
            raise NotOurs("The access token is not valid.") from None
        except jwt.InvalidTokenError:
            raise Unauthenticated("The access token is not valid.") from None
        user_id, session_id = ids.decode(ids.USER, claims["sub"]), ids.decode(SESSION, str(claims.get("sid", "")))
        if user_id is None or (session_id is None and "sid" in claims):
            raise Unauthenticated("The access token is not valid.")
        return Claims(user_id, datetime.fromtimestamp(claims["exp"], UTC), session_id)

    def jwks(self) -> dict[str, list[dict[str, str]]]:
        """The public keys as a JSON Web Key Set (RFC 7517, section 5; RFC 8037, section 2)."""
        return {
            "keys": [
                {"kty": "OKP", "crv": "Ed25519", "use": "sig", "alg": ALGORITHM, "kid": kid, "x": _base64url(public)}
                for kid, public in self._publics.items()
            ]
        }


def _kid(public: Ed25519PublicKey) -> str:
    return hashlib.sha256(_raw(public)).hexdigest()[:16]


def _base64url(public: Ed25519PublicKey) -> str:
    return base64.urlsafe_b64encode(_raw(public)).decode().rstrip("=")


def _raw(public: Ed25519PublicKey) -> bytes:
    return public.public_bytes(Encoding.Raw, PublicFormat.Raw)
