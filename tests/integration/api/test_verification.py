"""verifyEmail and resendVerification."""

import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from tests.integration.api.accounts import Person, new_email
from tests.integration.api.answers import refusals
from tests.integration.api.conftest import OwnApi
from tests.integration.api.mailbox import RESEND, VERIFY, Mailing, mailing
from tests.integration.conftest import Tenant
from tests.integration.graphql_client import Gql

PAGE = "verify-email"
BAD_LINK = [("INVALID_CREDENTIALS", ["token"])]


@pytest.fixture
async def mails(own_api: OwnApi, http: httpx.AsyncClient) -> AsyncIterator[Mailing]:
    async with mailing(own_api, http) as started:
        yield started


async def verified(person: Person, payload: Any) -> bool | None:
    viewer = await Gql(person.http, person.url, payload["accessToken"])("{ viewer { user { emailVerified } } }")
    found: bool | None = viewer["viewer"]["user"]["emailVerified"]
    return found


async def test_link_that_sign_up_mails_verifies_the_address(mails: Mailing) -> None:
    person = mails.person()
    signed_up = await person.sign_up()
    token = await mails.link(person.email, PAGE)
    before = await verified(person, signed_up)

    answer = await person.ask(VERIFY, t=token)

    assert (before, answer) == (False, {"errors": []})
    assert await verified(person, signed_up) is True
    assert refusals(await person.ask(VERIFY, t=token)) == BAD_LINK


async def test_sign_up_that_is_refused_mails_nothing(mails: Mailing) -> None:
    person = mails.person()
    await person.sign_up()
    await mails.link(person.email, PAGE)

    taken = await person.sign_up()
    other = mails.person()
    await other.sign_up()
    await mails.link(other.email, PAGE)

    assert refusals(taken) == [("CONFLICT", ["input", "email"])]
    assert len(mails.server.mails) == 2


async def test_token_ends_after_a_day(mails: Mailing, owner_engine: AsyncEngine) -> None:
    person = mails.person()
    signed_up = await person.sign_up()
    token = await mails.link(person.email, PAGE)
    async with owner_engine.begin() as connection:
        own = {"hash": hashlib.sha256(token.encode()).digest()}
        lives = await connection.scalar(
            text("SELECT expires_at - asked_since FROM mail_tokens WHERE token_hash = :hash"), own
        )
        await connection.execute(text("UPDATE mail_tokens SET expires_at = now() WHERE token_hash = :hash"), own)

    assert lives == timedelta(hours=24)
    assert refusals(await person.ask(VERIFY, t=token)) == BAD_LINK
    assert await verified(person, signed_up) is False


async def test_another_link_ends_the_one_before_and_no_more_than_three_an_hour_are_sent(mails: Mailing) -> None:
    person = mails.person()
    token = (await person.sign_up())["accessToken"]
    await mails.links(person.email, PAGE, 1)
    second = await person.ask(RESEND, token)
    await mails.links(person.email, PAGE, 2)
    third = await person.ask(RESEND, token)
    *older, newest = await mails.links(person.email, PAGE, 3)

    beyond = await person.ask(RESEND, token)

    assert second == third == {"errors": []}
    assert refusals(beyond) == [("LIMIT_EXCEEDED", None)]
    assert [refusals(await person.ask(VERIFY, t=token)) for token in older] == [BAD_LINK] * 2
    assert (await person.ask(VERIFY, t=newest))["errors"] == []


async def test_verified_address_needs_no_other_link(mails: Mailing) -> None:
    person = mails.person()
    token = (await person.sign_up())["accessToken"]
    await person.ask(VERIFY, t=await mails.link(person.email, PAGE))

    assert refusals(await person.ask(RESEND, token)) == [("INVALID_STATE", None)]


async def test_api_key_has_no_address(gql: Gql) -> None:
    assert refusals((await gql(RESEND))["resendVerification"]) == [("FORBIDDEN", None)]


async def test_how_it_stands_is_told_to_oneself_only(gql: Gql, tenant: Tenant) -> None:
    seen = await gql("{ workspace { owner { name emailVerified } } }")

    assert seen["workspace"]["owner"] == {"name": "Test", "emailVerified": None}


async def test_where_it_is_required_nobody_is_signed_in_before(own_api: OwnApi, http: httpx.AsyncClient) -> None:
    async with mailing(own_api, http, bizq_require_verified_email=True) as mails:
        person = mails.person()
        signed_up = await person.sign_up()
        refused = await person.sign_in()
        wrong = await person.sign_in("wrong password")
        first, second = await mails.links(person.email, PAGE, 2)

        assert (signed_up["accessToken"], signed_up["refreshToken"], signed_up["errors"]) == (None, None, [])
        assert refusals(refused) == [("INVALID_STATE", ["input", "email"])]
        assert (refused["accessToken"], refused["refreshToken"]) == (None, None)
        assert refusals(wrong) == [("INVALID_CREDENTIALS", ["input", "password"])]
        assert refusals(await person.ask(VERIFY, t=first)) == BAD_LINK
        assert (await person.ask(VERIFY, t=second))["errors"] == []
        assert (await person.sign_in())["errors"] == []


async def test_where_it_is_required_signing_in_mails_no_more_than_three_an_hour(
    own_api: OwnApi, http: httpx.AsyncClient
) -> None:
    async with mailing(own_api, http, bizq_require_verified_email=True) as mails:
        person = Person(http, mails.url, new_email())
        await person.sign_up()
        answers = [refusals(await person.sign_in()) for _ in range(4)]
        server = mails.server

    assert answers == [[("INVALID_STATE", ["input", "email"])]] * 4
    assert len(server.mails) == 3
