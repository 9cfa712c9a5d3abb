"""What we take of a provider's own description."""

from typing import Any

import pytest

from app.providers.identity.openid import OpenIdProvider
from app.providers.identity.web import IdentityProviderUnavailable

ISSUER = "https://login.example.com/tenant"
DOCUMENT = {
    "issuer": ISSUER,
    "authorization_endpoint": f"{ISSUER}/authorize",
    "token_endpoint": f"{ISSUER}/token",
    "jwks_uri": f"{ISSUER}/jwks",
}


class Described:
    """Stands for the web."""

    def __init__(self, document: dict[str, Any]) -> None:
        self.document = document
        self.asked: list[str] = []

    async def json(self, url: str) -> dict[str, Any]:
        self.asked.append(url)
        return self.document


def provider(web: Described) -> OpenIdProvider:
    return OpenIdProvider(web, ISSUER)  # type: ignore[arg-type]


async def test_description_is_below_the_issuer_and_asked_for_once() -> None:
    web = Described(DOCUMENT)
    described = provider(web)

    for _ in range(3):
        metadata = await described.metadata()

    assert web.asked == [f"{ISSUER}/.well-known/openid-configuration"]
    assert (metadata.token_endpoint, metadata.jwks_uri) == (f"{ISSUER}/token", f"{ISSUER}/jwks")
    assert metadata.algorithms == {"RS256"}
    assert metadata.client_authentication == "client_secret_basic"
    assert metadata.names_itself is False


@pytest.mark.parametrize(
    "changes",
    [
        {"issuer": ISSUER + "/"},
        {"issuer": None},
        {"authorization_endpoint": "http://login.example.com/authorize"},
        {"token_endpoint": "http://169.254.169.254/token"},
        {"token_endpoint": "file:///etc/passwd"},
        {"jwks_uri": None},
        {"jwks_uri": 1},
    ],
)
async def test_description_of_somebody_else_or_without_https_is_refused(changes: dict[str, Any]) -> None:
    with pytest.raises(IdentityProviderUnavailable):
        await provider(Described({**DOCUMENT, **changes})).metadata()


@pytest.mark.parametrize(
    ("supported", "used"),
    [
        (["HS256", "none", "ES256", "RS256"], {"ES256", "RS256"}),
        (["HS256", "none"], set()),
        ([], {"RS256"}),
        ("HS256", {"RS256"}),
        ([1, None], set()),
    ],
)
async def test_algorithms_with_a_shared_secret_are_never_used(supported: Any, used: set[str]) -> None:
    document = {**DOCUMENT, "id_token_signing_alg_values_supported": supported}

    assert (await provider(Described(document)).metadata()).algorithms == used


async def test_secret_is_posted_where_http_basic_is_not_supported() -> None:
    document = {**DOCUMENT, "token_endpoint_auth_methods_supported": ["client_secret_post", "private_key_jwt"]}

    assert (await provider(Described(document)).metadata()).client_authentication == "client_secret_post"
