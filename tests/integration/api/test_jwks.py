"""The public keys, for services that verify our access tokens themselves."""

import httpx
import jwt

from app.services.account.tokens import TokenSigner
from app.settings import Settings
from tests.integration.api.accounts import Person, new_email


async def test_another_service_can_verify_an_access_token(http: httpx.AsyncClient, api: str) -> None:
    token = (await Person(http, api, new_email()).sign_up())["accessToken"]

    response = await http.get(f"{api}/.well-known/jwks.json")

    assert response.headers["content-type"] == "application/jwk-set+json"
    assert response.headers["cache-control"] == "public, max-age=300"
    key = jwt.PyJWKSet.from_dict(response.json())[jwt.get_unverified_header(token)["kid"]]
    assert jwt.decode(token, key, algorithms=["EdDSA"], audience="bizq", issuer="bizq")["sub"].startswith("usr_")


async def test_only_public_parts_are_published(http: httpx.AsyncClient, api: str, settings: Settings) -> None:
    published = (await http.get(f"{api}/.well-known/jwks.json")).json()

    assert published == TokenSigner(settings.token_key, 1).jwks()
    assert {frozenset(key) for key in published["keys"]} == {frozenset({"kty", "crv", "use", "alg", "kid", "x"})}
