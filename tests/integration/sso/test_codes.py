"""The code that a frontend exchanges after single sign-on."""

import asyncio
from typing import Any

from tests.integration.sso.browser import Browser
from tests.integration.sso.conftest import Company, Counts, MakeBrowser, Sql

REFUSED = [("INVALID_CREDENTIALS", ["code"])]


def refusals(payload: Any) -> list[tuple[str, list[str]]]:
    return [(error["code"], error["path"]) for error in payload["errors"]]


async def test_code_works_once_of_any_number_of_parallel_uses(
    browser: Browser, company: Company, counts: Counts
) -> None:
    code = (await browser.sign_in(**company.asked))["sso_code"]
    before = await counts()

    payloads = await asyncio.gather(*(browser.complete(code) for _ in range(10)))

    assert sorted(len(payload["errors"]) for payload in payloads) == [0, *[1] * 9]
    assert {tuple(map(str, refusals(payload))) for payload in payloads if payload["errors"]} == {
        tuple(map(str, REFUSED))
    }
    assert [now - then for now, then in zip(await counts(), before, strict=True)] == [0, 1, 0, 0, 0]


async def test_code_that_was_seen_is_worth_nothing_and_stays_good_for_its_owner(
    browser: Browser, make_browser: MakeBrowser, company: Company, counts: Counts
) -> None:
    code = (await browser.sign_in(**company.asked))["sso_code"]
    before = await counts()

    assert refusals(await make_browser().complete(code, browser.challenge)) == REFUSED
    assert refusals(await make_browser().complete(code)) == REFUSED
    assert await counts() == before
    assert (await browser.complete(code))["errors"] == []


async def test_code_that_is_a_minute_old_is_refused(
    browser: Browser, company: Company, counts: Counts, sql: Sql
) -> None:
    code = (await browser.sign_in(**company.asked))["sso_code"]
    before = await counts()
    (seconds,) = await sql(
        "UPDATE sso_codes SET expires_at = expires_at - interval '60 s' WHERE connection_id = :id "
        "RETURNING extract(epoch FROM expires_at + interval '60 s' - now())",
        id=company.connection_id,
    )

    assert 50 < seconds <= 60
    assert refusals(await browser.complete(code)) == REFUSED
    assert await counts() == before


async def test_code_for_signing_in_does_not_link(browser: Browser, company: Company) -> None:
    code = (await browser.sign_in(**company.asked))["sso_code"]
    token = (await browser.complete(code))["accessToken"]
    another = (await browser.sign_in(**company.asked))["sso_code"]

    assert refusals(await browser.link(another, token)) == REFUSED
