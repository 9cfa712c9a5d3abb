"""requestPasswordReset and resetPassword."""

import asyncio
import hashlib
from collections.abc import AsyncIterator
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import event, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.vault import Vault
from app.integrations.delivery import MailDelivery
from app.integrations.mail import Mail
from app.services.account.reset_password import request_password_reset
from app.settings import Settings
from tests.integration.api.accounts import PASSWORD, new_email
from tests.integration.api.answers import refusals
from tests.integration.api.conftest import OwnApi
from tests.integration.api.mailbox import REQUEST_RESET, RESET, VERIFY, Mailing, mailing

PAGE = "reset-password"
NEW = "another horse battery"
BAD_LINK = [("INVALID_CREDENTIALS", ["token"])]


@pytest.fixture
async def mails(own_api: OwnApi, http: httpx.AsyncClient) -> AsyncIterator[Mailing]:
    async with mailing(own_api, http) as started:
        yield started


async def test_mailed_token_sets_a_password_and_ends_every_session(mails: Mailing) -> None:
    person = mails.person()
    session = await person.sign_up()
    assert await person.ask(REQUEST_RESET, email=person.email.upper()) == {"errors": []}

    reset = await person.ask(RESET, t=await mails.link(person.email, PAGE), new=NEW)

    assert reset == {"errors": []}
    assert refusals(await person.sign_in(PASSWORD)) == [("INVALID_CREDENTIALS", ["input", "password"])]
    assert (await person.sign_in(NEW))["errors"] == []
    assert refusals(await person.refresh(session["refreshToken"])) == [("INVALID_CREDENTIALS", ["refreshToken"])]
    async with asyncio.timeout(3):
        while await person.works(session["accessToken"]):  # noqa: ASYNC110 no event for it
            await asyncio.sleep(0.05)


async def test_token_works_once_even_of_several_at_the_same_time(mails: Mailing) -> None:
    person = mails.person()
    await person.sign_up()
    await person.ask(REQUEST_RESET, email=person.email)
    token = await mails.link(person.email, PAGE)

    passwords = [f"password number {number}" for number in range(5)]
    answers = await asyncio.gather(*(person.ask(RESET, t=token, new=new) for new in passwords))

    assert sorted(len(answer["errors"]) for answer in answers) == [0, 1, 1, 1, 1]
    (winner,) = (new for new, answer in zip(passwords, answers, strict=True) if not answer["errors"])
    assert (await person.sign_in(winner))["errors"] == []
    assert refusals(await person.ask(RESET, t=token, new=NEW)) == BAD_LINK


async def test_newer_token_ends_the_older(mails: Mailing) -> None:
    person = mails.person()
    await person.sign_up()
    await person.ask(REQUEST_RESET, email=person.email)
    await mails.links(person.email, PAGE, 1)
    await person.ask(REQUEST_RESET, email=person.email)
    older, newer = await mails.links(person.email, PAGE, 2)

    assert refusals(await person.ask(RESET, t=older, new=NEW)) == BAD_LINK
    assert (await person.ask(RESET, t=newer, new=NEW))["errors"] == []


async def test_token_ends_after_an_hour(mails: Mailing, owner_engine: AsyncEngine) -> None:
    person = mails.person()
    await person.sign_up()
    await person.ask(REQUEST_RESET, email=person.email)
    token = await mails.link(person.email, PAGE)
    async with owner_engine.begin() as connection:
        own = {"hash": hashlib.sha256(token.encode()).digest()}
        lives = await connection.scalar(
            text("SELECT expires_at - asked_since FROM mail_tokens WHERE token_hash = :hash"), own
        )
        await connection.execute(text("UPDATE mail_tokens SET expires_at = now() WHERE token_hash = :hash"), own)

    assert lives == timedelta(hours=1)
    assert refusals(await person.ask(RESET, t=token, new=NEW)) == BAD_LINK
    assert (await person.sign_in(PASSWORD))["errors"] == []


async def test_three_mails_an_hour_and_the_last_of_them_still_works(mails: Mailing) -> None:
    person = mails.person()
    await person.sign_up()
    answers = [await person.ask(REQUEST_RESET, email=person.email) for _ in range(5)]
    tokens = await mails.links(person.email, PAGE, 3)

    assert answers == [{"errors": []}] * 5
    # The third request is the last that counts; which of the mails arrived last is not said.
    outcomes = [(await person.ask(RESET, t=token, new=NEW))["errors"] == [] for token in tokens]
    assert sorted(outcomes) == [False, False, True]
    assert len(await mails.links(person.email, PAGE, 3)) == 3


async def test_nothing_tells_whether_somebody_has_an_address(mails: Mailing) -> None:
    person = mails.person()
    await person.sign_up()

    answers = [await person.ask(REQUEST_RESET, email=email) for email in [person.email, new_email()] for _ in range(4)]

    assert answers == [{"errors": []}] * 8
    await mails.links(person.email, PAGE, 3)
    assert {mail["To"] for mail in mails.server.mails} == {person.email}


async def test_the_same_statements_run_whether_or_not_somebody_has_an_address(
    mails: Mailing, engine: AsyncEngine, settings: Settings
) -> None:
    class Silent:
        async def send(self, mail: Mail) -> None:
            await asyncio.Event().wait()

    person = mails.person()
    await person.sign_up()
    delivery, vault = MailDelivery(Silent()), Vault(settings.encryption_keys)
    statements: list[str] = []
    note = lambda connection, cursor, statement, *rest: statements.append(statement)  # noqa: E731
    event.listen(engine.sync_engine, "before_cursor_execute", note)
    try:
        runs = []
        for email in (person.email, new_email()):
            statements.clear()
            # However long the mail server takes, nobody waits for it.
            async with asyncio.timeout(5):
                await request_password_reset(engine, vault, delivery, "https://x.example", email)
            runs.append(list(statements))
    finally:
        event.remove(engine.sync_engine, "before_cursor_execute", note)
        for task in delivery._sending:
            task.cancel()

    assert runs[0] == runs[1]
    assert len(runs[0]) == 2


@pytest.mark.parametrize("token", ["", "bzt_", "bzt_" + "A" * 43, "\0", "é" * 10_000])
async def test_what_is_no_token_is_refused(mails: Mailing, token: str) -> None:
    assert refusals(await mails.person().ask(RESET, t=token, new=NEW)) == BAD_LINK


async def test_token_for_one_purpose_does_not_serve_another(mails: Mailing) -> None:
    person = mails.person()
    await person.sign_up()
    await person.ask(REQUEST_RESET, email=person.email)
    reset, verify = await mails.link(person.email, PAGE), await mails.link(person.email, "verify-email")

    assert refusals(await person.ask(RESET, t=verify, new=NEW)) == BAD_LINK
    assert refusals(await person.ask(VERIFY, t=reset)) == BAD_LINK
    assert (await person.ask(RESET, t=reset, new=NEW))["errors"] == []


async def test_wrong_values_are_named_and_leave_the_token_alone(mails: Mailing) -> None:
    person = mails.person()
    await person.sign_up()
    await person.ask(REQUEST_RESET, email=person.email)
    token = await mails.link(person.email, PAGE)

    assert refusals(await person.ask(RESET, t=token, new="short")) == [("INVALID_INPUT", ["newPassword"])]
    assert refusals(await person.ask(REQUEST_RESET, email="nobody")) == [("INVALID_INPUT", ["email"])]
    assert (await person.ask(RESET, t=token, new=NEW))["errors"] == []


async def test_it_ends_a_lock_and_shows_that_the_address_is_read(mails: Mailing) -> None:
    person = mails.person()
    await person.sign_up()
    for _ in range(5):
        await person.sign_in("wrong")
    assert refusals(await person.sign_in()) == [("LIMIT_EXCEEDED", ["input", "password"])]
    await person.ask(REQUEST_RESET, email=person.email)

    await person.ask(RESET, t=await mails.link(person.email, PAGE), new=NEW)

    signed_in = await person.sign_in(NEW)
    assert signed_in["errors"] == []
    assert await verified(mails, signed_in) is True


async def test_only_a_hash_of_the_token_is_stored(mails: Mailing, owner_engine: AsyncEngine) -> None:
    person = mails.person()
    await person.sign_up()
    await person.ask(REQUEST_RESET, email=person.email)
    await person.ask(REQUEST_RESET, email="nobody-of-ours@example.com")
    token = await mails.link(person.email, PAGE)
    async with owner_engine.connect() as connection:
        rows = "|".join((await connection.scalars(text("SELECT t::text FROM mail_tokens t"))).all())

    assert token[4:] not in rows
    assert "example" not in rows


async def verified(mails: Mailing, signed_in: Any) -> bool:
    headers = {"Authorization": f"Bearer {signed_in['accessToken']}"}
    body = {"query": "{ viewer { user { emailVerified } } }"}
    answer = (await mails.http.post(f"{mails.url}/graphql", json=body, headers=headers)).json()
    found: bool = answer["data"]["viewer"]["user"]["emailVerified"]
    return found
