"""How often one address may sign up, sign in and refresh."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta
from secrets import token_hex
from typing import Any

import httpx
import pytest

from app.main import build_app
from app.settings import Settings
from tests.integration.api.accounts import Person, new_email
from tests.integration.api.answers import refusals
from tests.integration.conftest import serving
from tests.integration.still_clock import stop_clock

LIMITS = {
    "bizq_sign_ups_per_hour": 2,
    "bizq_sign_ins_per_minute": 3,
    "bizq_refreshes_per_minute": 4,
    # Single sign-on needs to know where it is.
    "bizq_api_url": "https://api.example.com",
}
REFUSED = [("LIMIT_EXCEEDED", None)]


@pytest.fixture
async def strict(service_settings: Settings, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[str]:
    stop_clock(monkeypatch)
    async with serving(build_app(service_settings.model_copy(update=LIMITS))) as url:
        yield url


@pytest.fixture
def network() -> str:
    """Of the test's own: a /64 of IPv6."""
    return f"2001:db8:{token_hex(2)}:{token_hex(2)}"


def seconds_to(payload: Any) -> float:
    left: timedelta = datetime.fromisoformat(payload["retryAt"]) - datetime.now(UTC)
    return left.total_seconds()


async def test_sign_ups_of_an_address_are_counted(strict: str, http: httpx.AsyncClient, network: str) -> None:
    people = [Person(http, strict, new_email(), f"{network}::{number}") for number in range(3)]

    *welcome, refused = [await person.sign_up() for person in people]

    assert [payload["errors"] for payload in welcome] == [[], []]
    assert refusals(refused) == REFUSED
    assert refused["accessToken"] is None
    assert 1700 < seconds_to(refused) <= 1800
    # From elsewhere the address is still free.
    elsewhere = Person(http, strict, people[2].email, "192.0.2.77")
    assert (await elsewhere.sign_up())["errors"] == []


async def test_sign_ins_of_an_address_are_counted_whether_or_not_they_work(
    strict: str, http: httpx.AsyncClient, network: str
) -> None:
    person = Person(http, strict, new_email(), f"{network}::1")
    await person.sign_up()

    payloads = [await person.sign_in(password) for password in ("correct horse battery", "wrong", "wrong again")]
    refused = await person.sign_in()

    assert [refusals(payload) for payload in payloads] == [[], *[[("INVALID_CREDENTIALS", ["input", "password"])]] * 2]
    assert refusals(refused) == REFUSED
    assert 10 < seconds_to(refused) <= 20


async def test_beginning_single_sign_on_counts_as_signing_in(
    strict: str, http: httpx.AsyncClient, network: str
) -> None:
    headers = {"X-Forwarded-For": f"{network}::1"}

    *asked, refused = [await http.get(f"{strict}/auth/sso/start", headers=headers) for _ in range(4)]

    assert [response.status_code for response in asked] == [400] * 3
    assert (refused.status_code, refused.headers["Retry-After"]) == (429, "20")
    assert refused.text.startswith("Too many requests of this kind (sign-in) from your address.")


async def test_refreshes_of_an_address_are_counted_and_a_refused_one_uses_no_token(
    strict: str, http: httpx.AsyncClient, network: str
) -> None:
    person = Person(http, strict, new_email(), f"{network}::1")
    payload = await person.sign_up()
    for _ in range(4):
        payload = await person.refresh(payload["refreshToken"])

    refused = await person.refresh(payload["refreshToken"])
    elsewhere = Person(http, strict, person.email, f"{network[:-4]}beef::1")

    assert refusals(refused) == REFUSED
    assert (await elsewhere.refresh(payload["refreshToken"]))["errors"] == []


async def test_many_attempts_at_once_get_no_more_than_there_are(
    strict: str, http: httpx.AsyncClient, network: str
) -> None:
    people = [Person(http, strict, new_email(), f"{network}::1") for _ in range(8)]

    payloads = await asyncio.gather(*(person.sign_up() for person in people))

    assert sum(payload["errors"] == [] for payload in payloads) == 2
