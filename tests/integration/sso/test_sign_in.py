"""Single sign-on from the first redirect to a session, as a browser and a frontend see it."""

import asyncio
from http.cookies import SimpleCookie
from urllib.parse import parse_qs, urlsplit

import jwt
import pytest

from app import ids
from tests.identity_provider import IdentityProvider, Person
from tests.integration.graphql_client import Gql
from tests.integration.sso.browser import API, COOKIE, Browser
from tests.integration.sso.conftest import CALLBACK, Company, Counts, MakeBrowser, Sql


async def test_first_sign_in_makes_user_membership_and_session(
    browser: Browser, company: Company, provider: IdentityProvider, counts: Counts
) -> None:
    before = await counts()

    landed = await browser.sign_in(**company.asked)
    payload = await browser.complete(landed["sso_code"])

    assert list(landed) == ["sso_code"]
    assert payload["errors"] == []
    assert payload["user"]["name"] == "Ann Miller"
    assert payload["user"]["email"] == provider.person.email
    assert payload["workspace"] == {"id": company.tenant.workspace_id}
    viewer = (await Gql(browser.http, API, payload["accessToken"])("{ viewer { role user { id } } }"))["viewer"]
    assert viewer == {"role": "MEMBER", "user": {"id": payload["user"]["id"]}}
    after = await counts()
    assert [now - then for now, then in zip(after, before, strict=True)] == [1, 1, 1, 1, 0]


async def test_next_sign_in_is_the_same_user_in_another_session(
    make_browser: MakeBrowser, company: Company, counts: Counts
) -> None:
    first, second = make_browser(), make_browser()
    one = await first.complete((await first.sign_in(**company.asked))["sso_code"])
    before = await counts()

    two = await second.complete((await second.sign_in(domain=company.domain))["sso_code"])

    assert two["user"] == one["user"]
    sessions = [jwt.decode(each["accessToken"], options={"verify_signature": False})["sid"] for each in (one, two)]
    assert sessions[0] != sessions[1]
    assert [now - then for now, then in zip(await counts(), before, strict=True)] == [0, 1, 0, 0, 0]


async def test_browser_is_sent_to_the_provider_with_everything_that_protects_the_way_back(
    browser: Browser, company: Company, provider: IdentityProvider
) -> None:
    response = await browser.start(connection=ids.encode(ids.SSO_CONNECTION, company.connection_id))

    url = urlsplit(response.headers["Location"])
    sent = {name: value for name, [value] in parse_qs(url.query).items()}
    assert response.status_code == 303
    assert f"{url.scheme}://{url.netloc}{url.path}" == f"{provider.issuer}/authorize"
    assert sent.keys() == {
        "response_type", "client_id", "redirect_uri", "scope", "state", "nonce", "code_challenge",
        "code_challenge_method",
    }  # fmt: skip
    assert (sent["redirect_uri"], sent["code_challenge_method"]) == (CALLBACK, "S256")
    assert [len(sent[name]) for name in ("state", "nonce", "code_challenge")] == [43, 43, 43]
    cookie = SimpleCookie(response.headers["Set-Cookie"])[COOKIE]
    assert (cookie["secure"], cookie["httponly"], cookie["samesite"]) == (True, True, "lax")
    assert (cookie["path"], cookie["domain"], cookie["max-age"]) == ("/", "", "600")
    assert cookie.value not in response.headers["Location"]


async def test_no_token_and_no_secret_of_the_browser_is_in_an_address_or_in_the_database(
    browser: Browser, company: Company, sql: Sql
) -> None:
    callback = await browser.to_callback(**company.asked)
    cookie = browser.http.cookies[COOKIE]
    (flow,) = await sql("SELECT f::text FROM sso_flows f ORDER BY expires_at DESC LIMIT 1")
    landed = await browser.http.get(callback)
    (code,) = await sql("SELECT c::text FROM sso_codes c ORDER BY expires_at DESC LIMIT 1")

    state = parse_qs(urlsplit(callback).query)["state"][0]
    assert cookie not in flow
    assert state not in flow
    assert landed.headers["Location"].rpartition("sso_code=")[2] not in code
    assert len(landed.headers["Location"].rpartition("sso_code=bzc_")[2]) == 43
    assert COOKIE not in browser.http.cookies


async def test_client_secret_is_sealed(company: Company, provider: IdentityProvider, sql: Sql) -> None:
    (row,) = await sql("SELECT c::text FROM sso_connections c WHERE id = :id", id=company.connection_id)
    (client_id,) = [name for name in provider.clients if name in row]

    assert provider.clients[client_id].secret not in row
    assert provider.clients[client_id].secret.encode().hex() not in row


async def test_keys_of_the_provider_rotate_without_a_restart(
    make_browser: MakeBrowser, company: Company, provider: IdentityProvider
) -> None:
    for _ in range(2):
        browser = make_browser()
        assert (await browser.complete((await browser.sign_in(**company.asked))["sso_code"]))["errors"] == []
        provider.rotate()


async def test_of_parallel_first_sign_ins_one_makes_the_user(
    make_browser: MakeBrowser, company: Company, counts: Counts
) -> None:
    before = await counts()
    browsers = [make_browser() for _ in range(5)]

    landed = await asyncio.gather(*(browser.sign_in(**company.asked) for browser in browsers))

    assert [list(each) for each in landed] == [["sso_code"]] * 5
    assert [now - then for now, then in zip(await counts(), before, strict=True)] == [1, 0, 1, 1, 0]


async def test_who_changes_their_name_at_the_provider_stays_who_they_are(
    browser: Browser, make_browser: MakeBrowser, company: Company, provider: IdentityProvider
) -> None:
    one = await browser.complete((await browser.sign_in(**company.asked))["sso_code"])
    provider.person = Person(provider.person.subject, f"smith@{company.domain}", "Ann Smith")
    other = make_browser()

    two = await other.complete((await other.sign_in(**company.asked))["sso_code"])

    assert two["user"] == one["user"]


@pytest.mark.parametrize("name", ["", "   ", "\0", "x" * 300])
async def test_whatever_name_the_provider_gives_there_is_one(
    browser: Browser, company: Company, provider: IdentityProvider, name: str
) -> None:
    provider.person = Person(provider.person.subject, provider.person.email, name)

    payload = await browser.complete((await browser.sign_in(**company.asked))["sso_code"])

    assert payload["user"]["name"] == ("x" * 200 if name.startswith("x") else "ann")
