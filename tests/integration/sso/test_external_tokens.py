"""Access tokens of another issuer, in place of ours."""

import asyncio
from typing import Any

import pytest

from app import ids
from app.providers.identity import key_set
from app.services.account.authenticate import CACHE_SECONDS
from app.services.account.tokens import TokenSigner
from app.settings import Settings
from tests.identity_provider import IdentityProvider, Order
from tests.integration.api.accounts import Person as Account
from tests.integration.conftest import Tenant
from tests.integration.graphql_client import Gql
from tests.integration.sso.browser import API, Browser
from tests.integration.sso.conftest import AUDIENCE, Counts, Sql

VIEWER = "{ viewer { role user { id name email } workspaces { id } } }"
INVALID = (401, "The access token is not valid.")
UNKNOWN = (403, "Nobody is known by this token yet")
FAULTS = {
    Order.WRONG_ISSUER: INVALID,
    Order.WRONG_AUDIENCE: INVALID,
    Order.NO_AUDIENCE: INVALID,
    Order.NO_EXPIRY: INVALID,
    Order.EXPIRED: (401, "The access token has expired; sign in again."),
    Order.NOT_YET: INVALID,
    Order.NO_SUBJECT: INVALID,
    Order.NONE_ALGORITHM: INVALID,
    Order.HMAC_OF_PUBLIC_KEY: INVALID,
    Order.UNKNOWN_KID: INVALID,
    Order.NO_KID: INVALID,
    Order.FOREIGN_KEY: INVALID,
    Order.KEY_IN_HEADER: INVALID,
    Order.CRITICAL_HEADER: INVALID,
    Order.NO_SIGNATURE: INVALID,
    Order.UNVERIFIED_EMAIL: UNKNOWN,
    Order.NO_EMAIL: UNKNOWN,
}


async def asked(browser: Browser, token: str) -> tuple[int, str]:
    """Status, and the first sentence of why it is refused."""
    response = await Gql(browser.http, API, token).raw(VIEWER)
    message = "".join(error["message"] for error in response.json().get("errors", []))
    return response.status_code, message.partition(". ")[0]


async def works(browser: Browser, token: str) -> bool:
    return (await asked(browser, token))[0] == 200


async def viewer(browser: Browser, token: str) -> Any:
    return (await Gql(browser.http, API, token)(VIEWER))["viewer"]


async def test_first_request_makes_a_user_with_a_workspace_and_the_next_finds_them(
    browser: Browser, provider: IdentityProvider, counts: Counts
) -> None:
    before = await counts()

    first = await viewer(browser, provider.access_token(AUDIENCE))
    second = await viewer(browser, provider.access_token([AUDIENCE, "another"]))

    assert (first["role"], first["user"]["name"]) == ("OWNER", "Ann Miller")
    assert first["user"]["email"] == provider.person.email
    assert len(first["workspaces"]) == 1
    assert second == first
    assert [now - then for now, then in zip(await counts(), before, strict=True)] == [1, 0, 1, 1, 1]


async def test_of_parallel_first_requests_one_makes_the_user(
    browser: Browser, provider: IdentityProvider, counts: Counts
) -> None:
    before = await counts()
    token = provider.access_token(AUDIENCE)

    seen = await asyncio.gather(*(viewer(browser, token) for _ in range(10)))

    assert all(each == seen[0] for each in seen)
    assert [now - then for now, then in zip(await counts(), before, strict=True)] == [1, 0, 1, 1, 1]


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_faulty_token_is_refused_and_nobody_comes_of_it(
    browser: Browser, provider: IdentityProvider, counts: Counts, fault: Order
) -> None:
    before = await counts()
    provider.order = fault

    refused = await asked(browser, provider.access_token(AUDIENCE))

    assert refused == FAULTS[fault]
    assert await counts() == before


@pytest.mark.parametrize("token", ["a.b.c", "eyJhbGciOiJub25lIn0.e30.", "x" * 100_000, "eyJraWQiOjF9.e30.x"])
async def test_what_is_no_token_is_refused_as_before(browser: Browser, token: str) -> None:
    assert await asked(browser, token) == INVALID


async def test_account_with_the_same_address_is_not_taken_over(
    browser: Browser, provider: IdentityProvider, counts: Counts
) -> None:
    await Account(browser.http, API, provider.person.email).sign_up()
    before = await counts()

    status, message = await asked(browser, provider.access_token(AUDIENCE))

    assert (status, message) == (403, "An account with the e-mail address of this token exists")
    assert await counts() == before


async def test_who_is_known_needs_no_address_in_later_tokens(browser: Browser, provider: IdentityProvider) -> None:
    known = await viewer(browser, provider.access_token(AUDIENCE))
    provider.order = Order.NO_EMAIL

    assert await viewer(browser, provider.access_token(AUDIENCE)) == known


async def test_same_subject_of_ours_is_not_the_issuers_and_ours_work_as_before(
    browser: Browser, provider: IdentityProvider, tenant: Tenant, settings: Settings, counts: Counts
) -> None:
    await viewer(browser, TokenSigner(settings.token_key, 900).issue(tenant.account.user_id).text)
    before = await counts()
    asked_before = provider.asked["/jwks"]
    forged = TokenSigner(bytes(32), 900).issue(tenant.account.user_id).text

    assert await asked(browser, forged) == INVALID
    assert provider.asked["/jwks"] == asked_before
    assert await counts() == before


async def test_membership_that_ends_ends_the_tokens_reach(
    browser: Browser, provider: IdentityProvider, sql: Sql
) -> None:
    token = provider.access_token(AUDIENCE)
    user_id = ids.decode(ids.USER, (await viewer(browser, token))["user"]["id"])
    await sql("DELETE FROM memberships WHERE user_id = :id", id=user_id)

    async with asyncio.timeout(CACHE_SECONDS + 1):
        while (left := await viewer(browser, token))["role"]:  # noqa: ASYNC110 no event for it
            await asyncio.sleep(0.05)

    assert (left["workspaces"], ids.decode(ids.USER, left["user"]["id"])) == ([], user_id)


async def test_keys_rotate_and_withdrawn_ones_end(browser: Browser, provider: IdentityProvider) -> None:
    old = provider.access_token(AUDIENCE)
    known = await viewer(browser, old)
    provider.rotate()

    assert await viewer(browser, provider.access_token(AUDIENCE)) == known
    assert await asked(browser, old) == INVALID


async def test_made_up_key_ids_cause_one_request_in_a_while(
    browser: Browser, provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    token = provider.access_token(AUDIENCE)
    await viewer(browser, token)
    provider.asked.clear()
    monkeypatch.setattr(key_set, "APART_SECONDS", 60.0)
    provider.order = Order.UNKNOWN_KID
    forged = [provider.access_token(AUDIENCE) for _ in range(20)]

    assert {await asked(browser, each) for each in forged} == {INVALID}

    assert provider.asked["/jwks"] == 1
    assert await works(browser, token)


@pytest.mark.parametrize("fault", [Order.DOWN, Order.NOT_JSON, Order.TOO_LARGE, Order.REDIRECTED])
async def test_while_the_issuer_is_away_its_keys_go_on(
    browser: Browser, provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch, fault: Order
) -> None:
    token = provider.access_token(AUDIENCE)
    known = await viewer(browser, token)
    monkeypatch.setattr(key_set, "FRESH_SECONDS", 0.0)
    provider.asked.clear()
    await viewer(browser, token)
    provider.order = fault

    assert await viewer(browser, token) == known
    assert provider.asked["/elsewhere"] == 0
