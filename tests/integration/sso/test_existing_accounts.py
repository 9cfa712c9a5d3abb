"""Single sign-on of somebody who is here already: with a password, as a member, or as one no longer."""

from dataclasses import dataclass
from typing import Any

import pytest

from tests.identity_provider import IdentityProvider
from tests.identity_provider import Person as AtProvider
from tests.integration.api.accounts import Person
from tests.integration.graphql_client import Gql
from tests.integration.sso.browser import API, Browser
from tests.integration.sso.conftest import Company, Counts, MakeBrowser, Sql

REFUSED = [("INVALID_CREDENTIALS", ["code"])]


@dataclass(frozen=True, slots=True)
class Signed:
    """Somebody who signed up with a password and the e-mail address that the provider will name."""

    user_id: str
    token: str


@pytest.fixture
async def with_password(browser: Browser, company: Company) -> Signed:
    payload = await Person(browser.http, API, company.email).sign_up()
    return Signed(payload["user"]["id"], payload["accessToken"])


def refusals(payload: Any) -> list[tuple[str, list[str] | None]]:
    return [(error["code"], error["path"]) for error in payload["errors"]]


async def workspaces(browser: Browser, token: str, workspace: str) -> list[str]:
    headers = {"X-Workspace-Id": workspace}
    response = await Gql(browser.http, API, token).raw("{ viewer { workspaces { id } } }", headers)
    return [each["id"] for each in response.json()["data"]["viewer"]["workspaces"]]


async def test_account_with_a_password_is_not_taken_over_by_its_address(
    browser: Browser, company: Company, with_password: Signed, counts: Counts
) -> None:
    before = await counts()

    landed = await browser.sign_in(**company.asked)

    assert landed.keys() == {"sso_error", "sso_code"}
    assert landed["sso_error"] == "ACCOUNT_EXISTS"
    assert refusals(await browser.complete(landed["sso_code"])) == REFUSED
    assert await counts() == before


async def test_owner_links_it_and_signs_in_that_way_from_then_on(
    browser: Browser, make_browser: MakeBrowser, company: Company, with_password: Signed
) -> None:
    code = (await browser.sign_in(**company.asked))["sso_code"]

    linked = await browser.link(code, with_password.token)
    other = make_browser()
    payload = await other.complete((await other.sign_in(**company.asked))["sso_code"])

    assert linked["errors"] == []
    assert payload["user"]["id"] == with_password.user_id
    workspace = company.tenant.workspace_id
    assert workspace in await workspaces(browser, payload["accessToken"], workspace)
    assert refusals(await browser.link(code, with_password.token)) == REFUSED


async def test_nobody_else_can_link_it(
    browser: Browser, make_browser: MakeBrowser, company: Company, with_password: Signed, counts: Counts
) -> None:
    stranger = await Person(browser.http, API, f"eve@{company.domain}").sign_up()
    before = await counts()

    for token, verifier in ((stranger["accessToken"], None), (with_password.token, "x" * 43)):
        code = (await browser.sign_in(**company.asked))["sso_code"]
        assert refusals(await browser.link(code, token, verifier)) == REFUSED

    code = (await browser.sign_in(**company.asked))["sso_code"]
    assert refusals(await browser.link(code, company.tenant.api_key)) == [("FORBIDDEN", None)]
    variables = {"code": code, "verifier": browser.verifier}
    document = (
        "mutation($code: String!, $verifier: String!) { linkSso(code: $code, verifier: $verifier) { __typename } }"
    )
    (error,) = await Gql(browser.http, API, None).errors(document, **variables)
    assert error["extensions"]["code"] == "UNAUTHENTICATED"
    assert await counts() == before


async def test_another_persons_subject_with_the_same_address_is_not_the_same_person(
    browser: Browser, company: Company, provider: IdentityProvider, counts: Counts
) -> None:
    await browser.sign_in(**company.asked)
    before = await counts()
    provider.person = AtProvider("somebody-else", provider.person.email)

    assert (await browser.sign_in(**company.asked))["sso_error"] == "ACCOUNT_EXISTS"
    assert await counts() == before


async def test_member_who_was_removed_does_not_come_back_by_signing_in(
    browser: Browser, company: Company, counts: Counts, sql: Sql
) -> None:
    await browser.sign_in(**company.asked)
    workspace = company.tenant.account.workspace_id
    await sql("DELETE FROM memberships WHERE workspace_id = :id AND role = 'MEMBER'", id=workspace)
    before = await counts()

    assert await browser.sign_in(**company.asked) == {"sso_error": "NO_LONGER_MEMBER"}
    assert await counts() == before


async def test_member_who_was_invited_again_signs_in_with_the_role_of_the_invitation(
    browser: Browser, company: Company, sql: Sql
) -> None:
    first = await browser.complete((await browser.sign_in(**company.asked))["sso_code"])
    workspace = company.tenant.account.workspace_id
    statement = "DELETE FROM memberships WHERE workspace_id = :id AND role = 'MEMBER' RETURNING user_id"
    (user_id,) = await sql(statement, id=workspace)
    add = "INSERT INTO memberships (workspace_id, user_id, role) VALUES (:id, :user, 'VIEWER')"
    await sql(add, id=workspace, user=user_id)

    payload = await browser.complete((await browser.sign_in(**company.asked))["sso_code"])

    viewer = (await Gql(browser.http, API, payload["accessToken"])("{ viewer { role } }"))["viewer"]
    assert payload["user"] == first["user"]
    assert viewer == {"role": "VIEWER"}


async def test_linking_does_not_bring_a_former_member_back(
    browser: Browser, company: Company, with_password: Signed, counts: Counts, sql: Sql
) -> None:
    workspace = company.tenant.account.workspace_id
    user = "(SELECT user_id FROM sso_codes WHERE connection_id = :connection AND identity IS NOT NULL)"
    code = (await browser.sign_in(**company.asked))["sso_code"]
    add = f"INSERT INTO memberships (workspace_id, user_id, role) SELECT :id, {user}, 'MEMBER'"
    await sql(add, id=workspace, connection=company.connection_id)
    await sql("DELETE FROM memberships WHERE workspace_id = :id AND role = 'MEMBER'", id=workspace)
    before = await counts()

    linked = await browser.link(code, with_password.token)

    assert [error["message"] for error in linked["errors"]] == [
        "You are no longer a member of this workspace: ask to be invited."
    ]
    assert await counts() == before
