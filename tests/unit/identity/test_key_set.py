"""Which keys of an issuer are used, and when they are asked for."""

import asyncio
from dataclasses import dataclass, field
from typing import Any

import pytest

from app.providers.identity import key_set
from app.providers.identity.key_set import KeySet, UnknownKey
from app.providers.identity.web import IdentityProviderUnavailable
from tests.identity_provider import Key

URL = "https://login.example.com/jwks"
KEY = Key.new()


@dataclass
class Issuer:
    """Stands for the web: answers with `keys`, or not at all."""

    keys: Any
    is_away: bool = False
    asked: list[str] = field(default_factory=list)

    async def json(self, url: str) -> dict[str, Any]:
        self.asked.append(url)
        await asyncio.sleep(0)
        if self.is_away:
            raise IdentityProviderUnavailable("away")
        return {"keys": self.keys}

    def key_set(self) -> KeySet:
        return KeySet(self, URL)  # type: ignore[arg-type]


@pytest.fixture
def issuer() -> Issuer:
    return Issuer([KEY.jwk])


async def test_key_is_found_by_its_id_and_asked_for_once(issuer: Issuer) -> None:
    keys = issuer.key_set()

    found = await asyncio.gather(*(keys.key(KEY.kid, "RS256") for _ in range(10)))

    assert {key.algorithm_name for key in found} == {"RS256"}
    assert issuer.asked == [URL]


@pytest.mark.parametrize(
    "changes",
    [
        {"use": "enc"},
        {"alg": "RS512"},
        {"kid": None},
        {"kid": "other"},
        {"kty": "oct", "k": "c2VjcmV0"},
        {"d": "AQAB"},
        {"kty": "EC"},
        {"n": "!"},
        {"n": 1},
    ],
)
async def test_key_that_is_not_for_this_is_not_used(issuer: Issuer, changes: dict[str, Any]) -> None:
    issuer.keys = [{**KEY.jwk, **changes}, None, "key", Key.new().jwk]

    with pytest.raises(UnknownKey):
        await issuer.key_set().key(KEY.kid, "RS256")


@pytest.mark.parametrize("algorithm", ["ES256", "EdDSA"])
async def test_key_of_another_kind_is_not_used(issuer: Issuer, algorithm: str) -> None:
    issuer.keys = [{name: value for name, value in KEY.jwk.items() if name != "alg"}]

    with pytest.raises(UnknownKey):
        await issuer.key_set().key(KEY.kid, algorithm)


@pytest.mark.parametrize("keys", [None, {}, "keys", []])
async def test_issuer_without_keys_is_as_good_as_away(issuer: Issuer, keys: Any) -> None:
    issuer.keys = keys

    with pytest.raises(IdentityProviderUnavailable):
        await issuer.key_set().key(KEY.kid, "RS256")


async def test_issuer_that_is_away_is_asked_again_after_a_while_only(issuer: Issuer) -> None:
    issuer.is_away = True
    keys = issuer.key_set()

    for _ in range(5):
        with pytest.raises(IdentityProviderUnavailable):
            await keys.key(KEY.kid, "RS256")

    assert len(issuer.asked) == 1


async def test_keys_that_are_old_are_asked_for_again_and_kept_while_the_issuer_is_away(
    issuer: Issuer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(key_set, "APART_SECONDS", 0.0)
    monkeypatch.setattr(key_set, "FRESH_SECONDS", 0.0)
    keys = issuer.key_set()
    await keys.key(KEY.kid, "RS256")
    issuer.is_away = True

    await keys.key(KEY.kid, "RS256")
    issuer.is_away, issuer.keys = False, [Key.new().jwk]

    with pytest.raises(UnknownKey):
        await keys.key(KEY.kid, "RS256")
    assert len(issuer.asked) == 3
