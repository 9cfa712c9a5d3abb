"""The public keys of an issuer (JSON Web Key Set, RFC 7517), fetched when they are needed and kept."""

import asyncio
import time
from typing import Any

import jwt
import structlog

from app.providers.identity.web import IdentityProviderUnavailable, Web

log = structlog.get_logger(__name__)

# A key that its issuer has withdrawn stops working within this time, if the issuer can be asked.
FRESH_SECONDS = 300.0
# Tokens with made-up key ids cause one request in this time, not one each.
APART_SECONDS = 5.0
_PUBLIC_TYPES = {"RSA", "EC", "OKP"}


class UnknownKey(Exception):
    """The issuer has no such key for this algorithm."""


class KeySet:
    """One for each issuer and process. While the issuer is away, the keys that it had go on working."""

    def __init__(self, web: Web, url: str) -> None:
        self._web = web
        self._url = url
        self._keys: dict[str, dict[str, Any]] = {}
        self._parsed: dict[tuple[str, str], jwt.PyJWK] = {}
        self._turn = asyncio.Lock()
        self._fresh_until = 0.0
        self._not_before = 0.0
        self._reason = ""

    async def key(self, kid: str, algorithm: str) -> jwt.PyJWK:
        """Raises UnknownKey, or IdentityProviderUnavailable where no key was ever fetched."""
        if kid not in self._keys or time.monotonic() > self._fresh_until:
            await self._fetch()
        if not self._keys:
            raise IdentityProviderUnavailable(self._reason)
        if kid not in self._keys:
            raise UnknownKey(kid)
        parsed = self._parsed.get((kid, algorithm))
        if parsed is None:
            parsed = self._parsed[kid, algorithm] = _parsed(self._keys[kid], algorithm)
        return parsed

    async def _fetch(self) -> None:
        """Whoever asks meanwhile waits for the same answer."""
        if time.monotonic() < self._not_before:
            return
        async with self._turn:
            if time.monotonic() < self._not_before:
                return
            try:
                keys = (await self._web.json(self._url)).get("keys")
                if not isinstance(keys, list):
                    raise IdentityProviderUnavailable(f"{self._url} is not a set of keys.")
            except IdentityProviderUnavailable as error:
                self._reason = str(error)
                log.warning("keys of an issuer not fetched; those it had go on", reason=self._reason)
            else:
                self._keys = {key["kid"]: key for key in keys if _is_for_signatures(key)}
                self._parsed = {}
                self._reason = f"{self._url} has no key."
                self._fresh_until = time.monotonic() + FRESH_SECONDS
            self._not_before = time.monotonic() + APART_SECONDS


def _is_for_signatures(key: object) -> bool:
    """Public, asymmetric, named, and not said to be for encryption."""
    return (
        isinstance(key, dict)
        and isinstance(key.get("kid"), str)
        and key.get("kty") in _PUBLIC_TYPES
        and key.get("use", "sig") == "sig"
        and "d" not in key
    )


def _parsed(key: dict[str, Any], algorithm: str) -> jwt.PyJWK:
    if key.get("alg", algorithm) != algorithm:
        raise UnknownKey(key["kid"])
    try:
        return jwt.PyJWK(key, algorithm)
    except (jwt.PyJWTError, TypeError):
        raise UnknownKey(key["kid"]) from None
