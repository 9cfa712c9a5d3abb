"""Whatever is wrong with a sign-in at the provider, nobody and nothing comes of it."""

import re
import secrets
import time
from collections.abc import AsyncIterator
from types import SimpleNamespace
from urllib.parse import parse_qs, urlencode, urlsplit

import httpx
import pytest

from app.providers.identity import openid, web
from tests.identity_provider import IdentityProvider, Order, Person
from tests.integration.sso.browser import COOKIE, FRONTEND, Browser, arrived
from tests.integration.sso.conftest import CALLBACK, Company, Counts, MakeBrowser, Sql

BAD_ANSWER = {"sso_error": "INVALID_RESPONSE"}
FAULTS = {
    Order.WRONG_NONCE: BAD_ANSWER,
    Order.NO_NONCE: BAD_ANSWER,
    Order.WRONG_ISSUER: BAD_ANSWER,
    Order.WRONG_AUDIENCE: BAD_ANSWER,
    Order.NO_AUDIENCE: BAD_ANSWER,
    Order.OTHER_PARTY: BAD_ANSWER,
    Order.EXPIRED: BAD_ANSWER,
    Order.NO_EXPIRY: BAD_ANSWER,
    Order.NOT_YET: BAD_ANSWER,
    Order.NO_SUBJECT: BAD_ANSWER,
    Order.WRONG_ACCESS_TOKEN_HASH: BAD_ANSWER,
    Order.NONE_ALGORITHM: BAD_ANSWER,
    Order.HMAC_OF_PUBLIC_KEY: BAD_ANSWER,
    Order.UNKNOWN_KID: BAD_ANSWER,
    Order.NO_KID: BAD_ANSWER,
    Order.FOREIGN_KEY: BAD_ANSWER,
    Order.KEY_IN_HEADER: BAD_ANSWER,
    Order.CRITICAL_HEADER: BAD_ANSWER,
    Order.NO_SIGNATURE: BAD_ANSWER,
    Order.NO_ID_TOKEN: BAD_ANSWER,
    Order.OTHER_ISSUER_PARAMETER: BAD_ANSWER,
    Order.NO_ISSUER_PARAMETER: BAD_ANSWER,
    Order.ACCESS_DENIED: {"sso_error": "REFUSED_BY_PROVIDER"},
    Order.UNVERIFIED_EMAIL: {"sso_error": "EMAIL_NOT_VERIFIED"},
    Order.NO_EMAIL: {"sso_error": "EMAIL_NOT_VERIFIED"},
    Order.OTHER_DOMAIN: {"sso_error": "WRONG_DOMAIN"},
}
# At the token endpoint, after the provider was known.
OUTAGES = (Order.DOWN, Order.NOT_JSON, Order.TOO_LARGE, Order.REDIRECTED, Order.SLOW)


@pytest.fixture(autouse=True)
async def nothing_comes_of_it(company: Company, counts: Counts) -> AsyncIterator[None]:
    before = await counts()
    yield
    assert await counts() == before


@pytest.mark.parametrize("fault", FAULTS, ids=lambda fault: fault.name)
async def test_faulty_answer_is_refused_with_its_reason(
    browser: Browser, company: Company, provider: IdentityProvider, fault: Order
) -> None:
    start = (await browser.start(**company.asked)).headers["Location"]
    provider.order = fault

    callback = (await browser.http.get(start)).headers["Location"]

    assert arrived(await browser.http.get(callback)) == FAULTS[fault]
    assert (await browser.http.get(callback)).status_code == 400


@pytest.mark.parametrize("fault", OUTAGES, ids=lambda fault: fault.name)
async def test_provider_that_fails_at_the_end_is_waited_for_shortly(
    browser: Browser, company: Company, provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch, fault: Order
) -> None:
    monkeypatch.setattr(openid, "SECONDS", 0.3)
    callback = await browser.to_callback(**company.asked)
    provider.order = fault

    assert arrived(await browser.http.get(callback)) == {"sso_error": "PROVIDER_UNAVAILABLE"}
    assert provider.asked["/elsewhere"] == 0


@pytest.mark.parametrize("fault", OUTAGES, ids=lambda fault: fault.name)
async def test_provider_that_fails_at_the_beginning_leads_back_to_the_frontend(
    browser: Browser, company: Company, provider: IdentityProvider, monkeypatch: pytest.MonkeyPatch, fault: Order
) -> None:
    monkeypatch.setattr(web, "SECONDS", 0.3)
    # What is known of it is too old.
    later = time.monotonic() + openid.METADATA_SECONDS + 1
    monkeypatch.setattr(openid, "time", SimpleNamespace(monotonic=lambda: later))
    provider.order = fault

    assert arrived(await browser.start(**company.asked)) == {"sso_error": "PROVIDER_UNAVAILABLE"}
    assert COOKIE not in browser.http.cookies


async def test_callback_with_another_state_is_refused(
    browser: Browser, company: Company, provider: IdentityProvider
) -> None:
    provider.order = Order.OTHER_STATE

    refused = await browser.http.get(await browser.to_callback(**company.asked))

    assert refused.status_code == 400
    assert "not under way in this browser" in refused.text
    assert provider.asked["/token"] == 0


async def test_callback_in_another_browser_is_refused_and_in_the_first_it_goes_on(
    browser: Browser, make_browser: MakeBrowser, company: Company, provider: IdentityProvider
) -> None:
    callback = await browser.to_callback(**company.asked)
    victim, with_own_flow = make_browser(), make_browser()
    await with_own_flow.start(**company.asked)

    assert (await victim.http.get(callback)).status_code == 400
    assert (await with_own_flow.http.get(callback)).status_code == 400
    assert provider.asked["/token"] == 0
    provider.order = Order.NO_ID_TOKEN
    assert arrived(await browser.http.get(callback)) == BAD_ANSWER


async def test_code_of_another_flow_is_refused_by_its_challenge(
    browser: Browser, make_browser: MakeBrowser, company: Company
) -> None:
    stolen = parse_qs(urlsplit(await browser.to_callback(**company.asked)).query)["code"][0]
    thief = make_browser()
    own = urlsplit(await thief.to_callback(**company.asked))
    parameters = {name: value for name, [value] in parse_qs(own.query).items()} | {"code": stolen}

    assert arrived(await thief.http.get(f"{CALLBACK}?{urlencode(parameters)}")) == BAD_ANSWER


async def test_flow_that_took_too_long_is_over(browser: Browser, company: Company, sql: Sql) -> None:
    callback = await browser.to_callback(**company.asked)
    statement = "UPDATE sso_flows SET expires_at = now() WHERE connection_id = :id"
    await sql(statement, id=company.connection_id)

    assert (await browser.http.get(callback)).status_code == 400


async def test_provider_does_not_send_anybody_elsewhere_than_to_us(
    browser: Browser, company: Company, provider: IdentityProvider
) -> None:
    url = (await browser.start(**company.asked)).headers["Location"]
    elsewhere = re.sub(r"redirect_uri=[^&]+", "redirect_uri=https%3A%2F%2Fevil.test%2Fcallback", url)

    assert (await browser.http.get(elsewhere)).status_code == 400
    assert provider.codes == {}


async def test_connection_that_was_removed_meanwhile_ends_the_flow(
    browser: Browser, company: Company, sql: Sql
) -> None:
    callback = await browser.to_callback(**company.asked)
    await sql("DELETE FROM sso_connections WHERE id = :id", id=company.connection_id)

    assert (await browser.http.get(callback)).status_code == 400


@pytest.mark.parametrize(
    ("changes", "named"),
    [
        ({"return_to": "https://evil.test/"}, "return_to"),
        ({"return_to": f"{FRONTEND}.evil.test/"}, "return_to"),
        ({"return_to": f"{FRONTEND}@evil.test/"}, "return_to"),
        ({"return_to": f"{FRONTEND}\\@evil.test/"}, "return_to"),
        ({"return_to": "//app.test/"}, "return_to"),
        ({"return_to": "javascript:alert(1)//https://app.test"}, "return_to"),
        ({"return_to": "http://app.test/"}, "return_to"),
        ({"return_to": "https://[app.test/"}, "return_to"),
        ({"return_to": f"{FRONTEND}/{'x' * 2_000}"}, "return_to"),
        ({"return_to": f"{FRONTEND}/\r\nSet-Cookie: a=b"}, "return_to"),
        ({"return_to": ""}, "return_to"),
        ({"challenge": ""}, "challenge"),
        ({"challenge": "x" * 42}, "challenge"),
        ({"challenge": "!" * 43}, "challenge"),
        ({"domain": "example.com"}, "one of"),
        ({"email": ""}, "one of"),
        ({"email": "nobody"}, "e-mail address"),
        ({"email": "a\0@example.com"}, "NUL"),
    ],
)
async def test_wrong_parameter_is_named_and_sends_nobody_anywhere(
    browser: Browser, company: Company, changes: dict[str, str], named: str
) -> None:
    refused = await browser.start(**{**company.asked, **changes})

    assert refused.status_code == 400
    assert named in refused.text
    assert "Location" not in refused.headers
    assert "Set-Cookie" not in refused.headers


async def test_parameter_that_is_there_twice_is_refused(browser: Browser, company: Company) -> None:
    callback = await browser.to_callback(**company.asked)
    (state,) = parse_qs(urlsplit(callback).query)["state"]

    assert (await browser.http.get(f"{callback}&state={state}")).status_code == 400
    assert (await browser.http.get(f"{callback}&code=other")).status_code == 400


@pytest.mark.parametrize(
    "asked",
    [{"domain": "unknown.example"}, {"email": "ann@unknown.example"}, {"connection": "sso_x"}, {"connection": "ws_1"}],
)
async def test_who_signs_in_otherwise_is_told_so_by_the_frontend(browser: Browser, asked: dict[str, str]) -> None:
    assert arrived(await browser.start(**asked)) == {"sso_error": "NO_CONNECTION"}


async def test_subdomain_is_not_the_domain(browser: Browser, company: Company, provider: IdentityProvider) -> None:
    assert arrived(await browser.start(domain=f"sub.{company.domain}")) == {"sso_error": "NO_CONNECTION"}
    provider.person = Person(provider.person.subject, f"ann@sub.{company.domain}")

    assert await browser.sign_in(**company.asked) == {"sso_error": "WRONG_DOMAIN"}


@pytest.mark.parametrize("verifier", ["", "x" * 43, "\0"])
async def test_code_is_worth_nothing_without_the_frontends_verifier(browser: Browser, verifier: str) -> None:
    code = "bzc_" + secrets.token_urlsafe(32)

    payload = await browser.complete(code, verifier)

    assert [(error["code"], error["path"]) for error in payload["errors"]] == [("INVALID_CREDENTIALS", ["code"])]
    assert payload["accessToken"] is None


async def test_without_the_setting_there_is_no_single_sign_on(http: httpx.AsyncClient, api: str) -> None:
    assert (await http.get(f"{api}/auth/sso/start", params={"domain": "example.com"})).status_code == 404
    assert (await http.get(f"{api}/auth/sso/callback")).status_code == 404


async def test_callback_is_for_browsers_that_navigate_only(browser: Browser, company: Company) -> None:
    assert (await browser.http.post(await browser.to_callback(**company.asked))).status_code == 405
