"""Which key of its issuer a JSON Web Token has to be signed with (RFC 7515; what can go wrong there is RFC 8725)."""

from collections.abc import Collection

import jwt

from app.providers.identity.key_set import KeySet, UnknownKey

MAX_TOKEN_LENGTH = 16_384


class NotSigned(Exception):
    """Not a token, or not one that the issuer can have signed as it is allowed to. The message says why."""


async def signing_key(token: str, keys: KeySet, algorithms: Collection[str]) -> jwt.PyJWK:
    """The key that the token has to be signed with, by `algorithm_name`. Nothing is verified yet.

    Raises NotSigned, or IdentityProviderUnavailable. Of the header only `alg` and `kid` are read: a key or an address
    in it (`jwk`, `jku`, `x5c`, `x5u`) is what an attacker would put there. What it calls critical (`crit`) we do not
    know, so such a token is refused.
    """
    if len(token) > MAX_TOKEN_LENGTH:
        raise NotSigned(f"longer than {MAX_TOKEN_LENGTH} characters")
    try:
        header = jwt.get_unverified_header(token)
    except jwt.InvalidTokenError:
        raise NotSigned("no token") from None
    algorithm, kid = header.get("alg"), header.get("kid")
    if not isinstance(algorithm, str) or algorithm not in algorithms:
        raise NotSigned("its algorithm is not allowed")
    if not isinstance(kid, str):
        raise NotSigned("it names no key")
    if "crit" in header:
        raise NotSigned("it has critical extensions")
    try:
        return await keys.key(kid, algorithm)
    except UnknownKey:
        raise NotSigned("its key is not one of the issuer's") from None
