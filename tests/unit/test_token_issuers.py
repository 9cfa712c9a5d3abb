"""BIZQ_TOKEN_ISSUERS and BIZQ_API_URL: what is wrong is said before anybody trusts it."""

import json
from typing import Any

import pytest
from pydantic import ValidationError

from app.settings import Settings

ISSUER = {
    "name": "auth0",
    "issuer": "https://tenant.auth0.com/",
    "jwks_url": "https://tenant.auth0.com/.well-known/jwks.json",
    "audience": "https://api.example.com",
    "algorithms": ["RS256", "ES256"],
}


def issuers(text: str) -> Any:
    return Settings.model_validate({"bizq_token_issuers": text}).bizq_token_issuers


def test_list_is_read_as_it_is_written() -> None:
    (issuer,) = issuers(json.dumps([ISSUER]))

    assert (issuer.name, issuer.issuer, issuer.audience) == ("auth0", ISSUER["issuer"], ISSUER["audience"])
    assert issuer.algorithms == ("RS256", "ES256")


@pytest.mark.parametrize("host", ["http://127.0.0.1:9000", "http://[::1]:9000", "http://localhost"])
def test_http_is_for_this_machine_only(host: str) -> None:
    assert issuers(json.dumps([{**ISSUER, "jwks_url": f"{host}/jwks"}]))[0].jwks_url == f"{host}/jwks"


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"algorithms": ["HS256"]}, "entry 1, algorithms.0"),
        ({"algorithms": ["RS256", "none"]}, "entry 1, algorithms.1"),
        ({"algorithms": []}, "entry 1, algorithms"),
        ({"jwks_url": "http://tenant.auth0.com/jwks"}, "entry 1, jwks_url: is not an address"),
        ({"jwks_url": "http://localhost.evil.example/jwks"}, "entry 1, jwks_url: is not an address"),
        ({"jwks_url": "https://"}, "entry 1, jwks_url: is not an address"),
        ({"audience": ""}, "entry 1, audience"),
        ({"issuer": ""}, "entry 1, issuer"),
        ({"name": "Auth 0"}, "entry 1, name"),
        ({"secret": "x"}, "entry 1, secret"),
    ],
)
def test_entry_that_is_wrong_is_named_with_its_field(changes: dict[str, Any], named: str) -> None:
    with pytest.raises(ValidationError, match=named):
        issuers(json.dumps([{**ISSUER, **changes}]))


@pytest.mark.parametrize("text", ["auth0", "{}", "[", '"x"'])
def test_what_is_no_list_is_refused(text: str) -> None:
    with pytest.raises(ValidationError, match="is not a JSON list"):
        issuers(text)


@pytest.mark.parametrize("same", ["name", "issuer"])
def test_two_entries_are_two_issuers(same: str) -> None:
    other = {**ISSUER, "name": "other", "issuer": "https://other.example", same: ISSUER[same]}

    with pytest.raises(ValidationError, match=f"two entries with the same {same}"):
        issuers(json.dumps([ISSUER, other]))


@pytest.mark.parametrize(
    "url", ["http://api.example.com", "api.example.com", "https://a.example?b", "https://a.example#b"]
)
def test_address_of_the_api_is_https_without_more(url: str) -> None:
    with pytest.raises(ValidationError, match=r"is (not )?an address"):
        Settings.model_validate({"bizq_api_url": url})


def test_address_of_the_api_ends_without_a_slash() -> None:
    settings = Settings.model_validate({"bizq_api_url": "https://example.com/bizq/"})

    assert settings.bizq_api_url == "https://example.com/bizq"
