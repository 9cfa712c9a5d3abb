"""An identity provider that speaks OpenID Connect, by Authlib: where it is, where to send people, who came back.

OpenID Connect Core 1.0 (sections 3.1.2 and 3.1.3), Discovery 1.0 (section 4); PKCE with S256 is RFC 7636.
"""

import asyncio
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote_plus

import httpx2
import jwt
from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.httpx_client import AsyncOAuth2Client
from authlib.oidc.core import CodeIDToken
from authlib.oidc.discovery import get_well_known_url
from joserfc.errors import JoseError
from jwt.types import Options

from app.providers.identity.key_set import KeySet
from app.providers.identity.signature import NotSigned, signing_key
from app.providers.identity.web import SECONDS, IdentityProviderUnavailable, Web
from app.settings import secure_url

SCOPE = "openid email profile"
BASIC = "client_secret_basic"
# How far the provider's clock may be from ours.
LEEWAY_SECONDS = 30
METADATA_SECONDS = 300.0
_ALGORITHMS = frozenset({"RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA"})
_ENDPOINTS = ("authorization_endpoint", "token_endpoint", "jwks_uri")
# Claims are Authlib's part.
_SIGNATURE_ONLY: Options = {
    "verify_aud": False,
    "verify_iss": False,
    "verify_exp": False,
    "verify_nbf": False,
    "verify_iat": False,
    "verify_sub": False,
    "verify_jti": False,
    "enforce_minimum_key_length": True,
}


class NotAuthenticated(Exception):
    """The provider's answer does not show who came back. The message says what is wrong with it."""


@dataclass(frozen=True, slots=True)
class Client:
    """Who we are at the provider, and where it sends people back to."""

    id: str
    secret: str
    redirect_uri: str


@dataclass(frozen=True, slots=True)
class Metadata:
    """What we use of the provider's own description."""

    authorization_endpoint: str
    token_endpoint: str
    jwks_uri: str
    names_itself: bool
    client_authentication: str
    algorithms: frozenset[str]


class OpenIdProvider:
    """One for each issuer and process."""

    def __init__(self, web: Web, issuer: str) -> None:
        self.issuer = issuer
        self._web = web
        self._metadata: Metadata | None = None
        self._fresh_until = 0.0
        self._keys: KeySet | None = None

    async def metadata(self) -> Metadata:
        """Looked at again after a while. Raises IdentityProviderUnavailable."""
        if self._metadata is None or time.monotonic() > self._fresh_until:
            found = _metadata(self.issuer, await self._web.json(get_well_known_url(self.issuer, external=True)))
            if self._metadata is None or found.jwks_uri != self._metadata.jwks_uri:
                self._keys = KeySet(self._web, found.jwks_uri)
            self._metadata, self._fresh_until = found, time.monotonic() + METADATA_SECONDS
        return self._metadata

    async def sign_in_url(
        self, client: Client, *, state: str, nonce: str, code_verifier: str, login_hint: str | None
    ) -> str:
        """Where to send a browser. Raises IdentityProviderUnavailable."""
        endpoint = (await self.metadata()).authorization_endpoint
        more = {"login_hint": login_hint} if login_hint else {}
        url, _ = self._oauth(client, "none").create_authorization_url(
            endpoint, state=state, code_verifier=code_verifier, nonce=nonce, **more
        )
        return str(url)

    async def claims(self, client: Client, *, code: str, nonce: str, code_verifier: str) -> Mapping[str, Any]:
        """What the provider says of whoever came back. Raises NotAuthenticated or IdentityProviderUnavailable."""
        metadata = await self.metadata()
        answer = await self._exchange(client, metadata, code, code_verifier)
        id_token = answer.get("id_token")
        if not isinstance(id_token, str):
            raise NotAuthenticated("The answer has no id_token.")
        assert self._keys is not None
        try:
            key = await signing_key(id_token, self._keys, metadata.algorithms)
            decoded = jwt.decode_complete(id_token, key, [key.algorithm_name], _SIGNATURE_ONLY)
        except (NotSigned, jwt.InvalidTokenError, jwt.InvalidKeyError) as error:
            raise NotAuthenticated(f"The id_token is refused: {error}.") from None
        claims: Mapping[str, Any] = decoded["payload"]
        expected = {
            "iss": {"essential": True, "value": self.issuer},
            "aud": {"essential": True, "value": client.id},
        }
        more = {"nonce": nonce, "client_id": client.id, "access_token": answer.get("access_token")}
        try:
            CodeIDToken(claims, decoded["header"], expected, more).validate(leeway=LEEWAY_SECONDS)
        except (JoseError, TypeError, ValueError) as error:
            raise NotAuthenticated(f"The id_token is refused: {error}.") from None
        if not isinstance(claims["sub"], str) or not claims["sub"]:
            raise NotAuthenticated("The id_token names nobody.")
        return claims

    async def _exchange(self, client: Client, metadata: Metadata, code: str, code_verifier: str) -> Mapping[str, Any]:
        oauth = self._oauth(client, metadata.client_authentication)
        try:
            async with asyncio.timeout(SECONDS):
                answer: Mapping[str, Any] = await oauth.fetch_token(
                    metadata.token_endpoint,
                    grant_type="authorization_code",
                    code=code,
                    redirect_uri=client.redirect_uri,
                    code_verifier=code_verifier,
                )
        except OAuthError as error:
            raise NotAuthenticated(f"The token endpoint refuses: {error.error}.") from None
        except (httpx2.HTTPError, TimeoutError, ValueError) as error:
            raise IdentityProviderUnavailable(f"{metadata.token_endpoint}: {type(error).__name__}: {error}") from None
        return answer

    def _oauth(self, client: Client, client_authentication: str) -> Any:
        """Not to be closed: it has nothing of its own but the transport, which is everybody's."""
        # Authlib leaves it to us to encode both for HTTP Basic (RFC 6749, section 2.3.1).
        is_basic = client_authentication == BASIC
        return AsyncOAuth2Client(
            quote_plus(client.id) if is_basic else client.id,
            quote_plus(client.secret) if is_basic else client.secret,
            token_endpoint_auth_method=client_authentication,
            scope=SCOPE,
            redirect_uri=client.redirect_uri,
            code_challenge_method="S256",
            transport=self._web.transport,
            timeout=SECONDS,
            follow_redirects=False,
        )


def _metadata(issuer: str, document: Mapping[str, Any]) -> Metadata:
    if document.get("issuer") != issuer:
        raise IdentityProviderUnavailable(f"{issuer} says that it is {document.get('issuer')!r}.")
    try:
        endpoints = {name: secure_url(str(document.get(name, ""))) for name in _ENDPOINTS}
    except ValueError as error:
        raise IdentityProviderUnavailable(f"An endpoint of {issuer} {error}.") from None
    ways = _texts(document, "token_endpoint_auth_methods_supported", BASIC)
    return Metadata(
        **endpoints,
        names_itself=document.get("authorization_response_iss_parameter_supported") is True,
        client_authentication=BASIC if BASIC in ways else "client_secret_post",
        algorithms=_ALGORITHMS & _texts(document, "id_token_signing_alg_values_supported", "RS256"),
    )


def _texts(document: Mapping[str, Any], name: str, default: str) -> frozenset[str]:
    """Of a list; the default where there is none."""
    found = document.get(name)
    return frozenset(map(str, found)) if isinstance(found, list) and found else frozenset({default})
