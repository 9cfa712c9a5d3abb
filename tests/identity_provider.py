"""An identity provider that speaks OpenID Connect on loopback, as strict as a real one, and faulty on demand.

It knows one person at a time, who is signed in there and agrees to everything. `order` is a fault that it commits
until it is taken back.
"""

import asyncio
import base64
import hashlib
import hmac
import json
import secrets
import time
from collections import Counter
from dataclasses import dataclass, field
from enum import Enum, auto
from typing import Any
from urllib.parse import parse_qsl, unquote_plus, urlencode

import jwt
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey, generate_private_key
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import JSONResponse, PlainTextResponse, RedirectResponse, Response
from starlette.routing import Route

SLOW_SECONDS = 60


class Order(Enum):
    """A fault. Those of the id_token or access token are committed by whoever signs, the others on the way."""

    WRONG_NONCE = auto()
    NO_NONCE = auto()
    WRONG_ISSUER = auto()
    WRONG_AUDIENCE = auto()
    NO_AUDIENCE = auto()
    OTHER_PARTY = auto()
    EXPIRED = auto()
    NO_EXPIRY = auto()
    NOT_YET = auto()
    NO_SUBJECT = auto()
    WRONG_ACCESS_TOKEN_HASH = auto()
    NONE_ALGORITHM = auto()
    HMAC_OF_PUBLIC_KEY = auto()
    UNKNOWN_KID = auto()
    NO_KID = auto()
    FOREIGN_KEY = auto()
    KEY_IN_HEADER = auto()
    CRITICAL_HEADER = auto()
    NO_SIGNATURE = auto()
    UNVERIFIED_EMAIL = auto()
    NO_EMAIL = auto()
    OTHER_DOMAIN = auto()
    OTHER_STATE = auto()
    OTHER_ISSUER_PARAMETER = auto()
    NO_ISSUER_PARAMETER = auto()
    ACCESS_DENIED = auto()
    NO_ID_TOKEN = auto()
    NOT_JSON = auto()
    TOO_LARGE = auto()
    REDIRECTED = auto()
    SLOW = auto()
    DOWN = auto()


@dataclass(frozen=True, slots=True)
class Person:
    """Who is signed in at the provider."""

    subject: str
    email: str
    name: str = "Ann Miller"


@dataclass(frozen=True, slots=True)
class Client:
    secret: str
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class Key:
    kid: str
    private: RSAPrivateKey

    @classmethod
    def new(cls) -> "Key":
        return cls(secrets.token_hex(8), generate_private_key(65537, 2048))

    @property
    def jwk(self) -> dict[str, Any]:
        public: dict[str, Any] = jwt.algorithms.RSAAlgorithm.to_jwk(self.private.public_key(), as_dict=True)
        return {**public, "kid": self.kid, "use": "sig", "alg": "RS256"}


@dataclass(frozen=True, slots=True)
class Grant:
    """What a code was given for."""

    client_id: str
    redirect_uri: str
    challenge: str
    nonce: str
    person: Person


@dataclass
class IdentityProvider:
    """`issuer` is its address, known once it is served. `asked` counts the requests for each path."""

    person: Person
    issuer: str = ""
    order: Order | None = None
    key: Key = field(default_factory=Key.new)
    foreign: Key = field(default_factory=Key.new)
    clients: dict[str, Client] = field(default_factory=dict)
    codes: dict[str, Grant] = field(default_factory=dict)
    asked: Counter[str] = field(default_factory=Counter)

    def app(self) -> Starlette:
        return Starlette(
            routes=[
                Route("/.well-known/openid-configuration", self._discovery),
                Route("/jwks", self._jwks),
                Route("/authorize", self._authorize),
                Route("/token", self._token, methods=["POST"]),
            ]
        )

    def rotate(self) -> None:
        """Another key from now on; the one before is withdrawn."""
        self.key = Key.new()

    def access_token(self, audience: str, **claims: Any) -> str:
        """As Auth0 or Supabase would issue one, with e-mail claims."""
        now = int(time.time())
        whole = {"iss": self.issuer, "aud": audience, "sub": self.person.subject, "iat": now, "exp": now + 300}
        return self._signed({**whole, **self._profile(self.person), **claims})

    async def _discovery(self, request: Request) -> Response:
        if fault := await self._on_the_way(request):
            return fault
        return JSONResponse(
            {
                "issuer": self.issuer,
                "authorization_endpoint": f"{self.issuer}/authorize",
                "token_endpoint": f"{self.issuer}/token",
                "jwks_uri": f"{self.issuer}/jwks",
                "response_types_supported": ["code"],
                "subject_types_supported": ["public"],
                "id_token_signing_alg_values_supported": ["RS256"],
                "token_endpoint_auth_methods_supported": ["client_secret_basic"],
                "code_challenge_methods_supported": ["S256"],
                "authorization_response_iss_parameter_supported": True,
            }
        )

    async def _jwks(self, request: Request) -> Response:
        if fault := await self._on_the_way(request):
            return fault
        return JSONResponse({"keys": [self.key.jwk]})

    async def _authorize(self, request: Request) -> Response:
        """RFC 6749, section 4.1.1: with an unknown client or redirect URI nobody is sent anywhere."""
        given = request.query_params
        client = self.clients.get(given.get("client_id", ""))
        if client is None or given.get("redirect_uri") != client.redirect_uri:
            return PlainTextResponse("This client or redirect URI is not registered.", 400)
        assert given["response_type"] == "code"
        assert given["scope"].split()[0] == "openid"
        assert given["code_challenge_method"] == "S256"
        assert len(given["code_challenge"]) == 43
        code = secrets.token_urlsafe(16)
        self.codes[code] = Grant(
            given["client_id"], client.redirect_uri, given["code_challenge"], given["nonce"], self.person
        )
        answer = {"code": code, "state": given["state"], "iss": self.issuer}
        match self.order:
            case Order.OTHER_STATE:
                answer["state"] = secrets.token_urlsafe(32)
            case Order.OTHER_ISSUER_PARAMETER:
                answer["iss"] = "https://elsewhere.example"
            case Order.NO_ISSUER_PARAMETER:
                del answer["iss"]
            case Order.ACCESS_DENIED:
                answer = {"error": "access_denied", "state": given["state"], "iss": self.issuer}
        return RedirectResponse(f"{client.redirect_uri}?{urlencode(answer)}", 302)

    async def _token(self, request: Request) -> Response:
        """RFC 6749, section 4.1.3, and RFC 7636, section 4.6. A code is gone after its first use, good or bad."""
        if fault := await self._on_the_way(request):
            return fault
        form = dict(parse_qsl((await request.body()).decode()))
        client_id, secret = _basic(request.headers.get("authorization", ""))
        client = self.clients.get(client_id)
        if client is None or not hmac.compare_digest(client.secret, secret):
            return JSONResponse({"error": "invalid_client"}, 401)
        grant = self.codes.pop(str(form.get("code")), None)
        if (
            grant is None
            or form.get("grant_type") != "authorization_code"
            or grant.client_id != client_id
            or form.get("redirect_uri") != grant.redirect_uri
            or _s256(str(form.get("code_verifier"))) != grant.challenge
        ):
            return JSONResponse({"error": "invalid_grant"}, 400)
        access_token = secrets.token_urlsafe(16)
        answer = {"access_token": access_token, "token_type": "Bearer", "expires_in": 300}
        if self.order is not Order.NO_ID_TOKEN:
            answer["id_token"] = self._id_token(grant, access_token)
        return JSONResponse(answer)

    def _id_token(self, grant: Grant, access_token: str) -> str:
        now = int(time.time())
        half = hashlib.sha256(access_token.encode()).digest()[:16]
        claims = {
            "iss": self.issuer,
            "aud": grant.client_id,
            "sub": grant.person.subject,
            "nonce": grant.nonce,
            "iat": now,
            "exp": now + 300,
            "at_hash": _base64url(half),
            **self._profile(grant.person),
        }
        match self.order:
            case Order.WRONG_NONCE:
                claims["nonce"] = secrets.token_urlsafe(32)
            case Order.NO_NONCE:
                del claims["nonce"]
            case Order.WRONG_ACCESS_TOKEN_HASH:
                claims["at_hash"] = _base64url(bytes(16))
            case Order.OTHER_PARTY:
                claims |= {"aud": [grant.client_id, "another"], "azp": "another"}
        return self._signed(claims)

    def _profile(self, person: Person) -> dict[str, Any]:
        profile: dict[str, Any] = {"email": person.email, "email_verified": True, "name": person.name}
        match self.order:
            case Order.UNVERIFIED_EMAIL:
                profile["email_verified"] = False
            case Order.NO_EMAIL:
                del profile["email"]
            case Order.OTHER_DOMAIN:
                profile["email"] = "ann@elsewhere.example"
        return profile

    def _signed(self, claims: dict[str, Any]) -> str:
        now = int(time.time())
        match self.order:
            case Order.WRONG_ISSUER:
                claims["iss"] = "https://elsewhere.example"
            case Order.WRONG_AUDIENCE:
                claims["aud"] = "another"
            case Order.NO_AUDIENCE:
                del claims["aud"]
            case Order.EXPIRED:
                claims |= {"iat": now - 600, "exp": now - 120}
            case Order.NO_EXPIRY:
                del claims["exp"]
            case Order.NOT_YET:
                claims["nbf"] = now + 120
            case Order.NO_SUBJECT:
                del claims["sub"]
        return self._forged(claims)

    def _forged(self, claims: dict[str, Any]) -> str:
        key, header = self.key, {"kid": self.key.kid}
        match self.order:
            case Order.NONE_ALGORITHM:
                return jwt.encode(claims, "", "none", header)
            case Order.HMAC_OF_PUBLIC_KEY:
                return _hmac_signed({"alg": "HS256", "typ": "JWT", **header}, claims, self.key)
            case Order.UNKNOWN_KID:
                key, header = self.foreign, {"kid": self.foreign.kid}
            case Order.NO_KID:
                header = {}
            case Order.FOREIGN_KEY:
                key = self.foreign
            case Order.KEY_IN_HEADER:
                more = {"jwk": self.foreign.jwk, "jku": "http://127.0.0.1:9/jwks", "x5u": "http://127.0.0.1:9/x5u"}
                return jwt.encode(claims, self.foreign.private, "RS256", {**header, **more})
            case Order.CRITICAL_HEADER:
                header = {**header, "crit": ["exp"]}
        token = jwt.encode(claims, key.private, "RS256", header)
        return token.rpartition(".")[0] + "." if self.order is Order.NO_SIGNATURE else token

    async def _on_the_way(self, request: Request) -> Response | None:
        self.asked[request.url.path] += 1
        match self.order:
            case Order.DOWN:
                return PlainTextResponse("down", 503)
            case Order.NOT_JSON:
                return PlainTextResponse("<html>")
            case Order.TOO_LARGE:
                return JSONResponse({"filler": "x" * 1_000_000})
            case Order.REDIRECTED:
                return RedirectResponse(f"{self.issuer}/elsewhere", 307)
            case Order.SLOW:
                await asyncio.sleep(SLOW_SECONDS)
        return None


def _basic(authorization: str) -> tuple[str, str]:
    """RFC 6749, section 2.3.1: both parts are form-encoded before they are put together."""
    scheme, _, value = authorization.partition(" ")
    if scheme != "Basic":
        return "", ""
    client_id, _, secret = base64.b64decode(value).decode().partition(":")
    return unquote_plus(client_id), unquote_plus(secret)


def _s256(verifier: str) -> str:
    return _base64url(hashlib.sha256(verifier.encode()).digest())


def _base64url(data: bytes) -> str:
    return base64.urlsafe_b64encode(data).decode().rstrip("=")


def _hmac_signed(header: dict[str, Any], claims: dict[str, Any], key: Key) -> str:
    """With what everybody knows as the secret: no library does this."""
    pem = key.private.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    body = ".".join(_base64url(json.dumps(part).encode()) for part in (header, claims))
    return f"{body}.{_base64url(hmac.digest(pem, body.encode(), 'sha256'))}"
