"""With a second factor the password gives a challenge, and challenge and code give the tokens."""

import asyncio
import hashlib
from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import MfaRequired
from app.services.account import sessions
from tests.integration.api.accounts import PASSWORD, Person, email_index, new_email
from tests.integration.api.answers import refusals
from tests.integration.mfa.conftest import Count
from tests.integration.mfa.people import SIGN_IN, WRONG_CHALLENGE, WRONG_CODE, HeldClock, Member, enrolled

Sql = Callable[..., Awaitable[Any]]


async def test_password_alone_gives_a_challenge_and_no_tokens(member: Member, count: Count) -> None:
    before = await count("sessions", member.person)

    payload = await member.person.ask(SIGN_IN, input={"email": member.person.email, "password": PASSWORD})

    assert payload.pop("mfaChallenge").startswith("bzm_")
    assert payload == {"accessToken": None, "refreshToken": None, "retryAt": None, "user": None, "errors": []}
    assert await count("sessions", member.person) == before


async def test_wrong_password_gives_no_challenge(member: Member, count: Count) -> None:
    payload = await member.person.ask(SIGN_IN, input={"email": member.person.email, "password": "wrong"})

    assert refusals(payload) == [("INVALID_CREDENTIALS", ["input", "password"])]
    assert payload["mfaChallenge"] is None
    assert await count("mfa_challenges", member.person) == 0


async def test_challenge_and_code_give_the_tokens(member: Member, held_clock: HeldClock) -> None:
    payload = await member.sign_in(member.phone.next_code())

    assert (payload["errors"], payload["mfaChallenge"]) == ([], None)
    assert payload["user"] is not None
    member.token = payload["accessToken"]
    until = (await member.mfa())["steppedUpUntil"]
    assert until == (held_clock.now() + timedelta(minutes=10)).isoformat()


async def test_refreshing_needs_no_code_and_shows_none(member: Member, held_clock: HeldClock) -> None:
    signed_in = await member.sign_in(member.phone.next_code())
    shown = held_clock.now()
    held_clock.move(timedelta(minutes=20))

    refreshed = await member.person.refresh(signed_in["refreshToken"])

    assert refreshed["errors"] == []
    member.token = refreshed["accessToken"]
    assert (await member.mfa())["steppedUpUntil"] == (shown + timedelta(minutes=10)).isoformat()


async def test_challenge_is_random_and_stored_as_a_hash_only(member: Member, sql: Sql) -> None:
    challenge = await member.challenge()

    hashed = hashlib.sha256(challenge.encode()).digest()
    ((row,),) = await sql("SELECT c::text FROM mfa_challenges c WHERE challenge_hash = :hash", hash=hashed)

    assert len(challenge) == 4 + 43
    assert challenge[4:] not in row


async def test_recovery_code_signs_in_once(member: Member) -> None:
    code = member.recovery_codes[3]

    first, second = await member.sign_in(code), await member.sign_in(code)

    assert first["errors"] == []
    assert await member.person.works(first["accessToken"])
    assert refusals(second) == [WRONG_CODE]
    assert (await member.mfa())["recoveryCodesLeft"] == 9


async def test_use_of_a_recovery_code_is_in_the_audit_log(member: Member, sql: Sql) -> None:
    uses = """SELECT count(*) FROM audit_entries WHERE action = 'mfa.recovery_code'
        AND user_id = (SELECT id FROM users WHERE email_index = :mine)"""
    mine = email_index(member.person.email)

    await member.sign_in(member.phone.next_code())
    ((before,),) = await sql(uses, mine=mine)
    await member.sign_in(member.recovery_codes[0])
    await member.step_up(member.recovery_codes[1])
    await member.sign_in(member.recovery_codes[1])
    ((after,),) = await sql(uses, mine=mine)

    assert (before, after) == (0, 2)


async def test_recovery_code_is_read_as_people_write_it(member: Member) -> None:
    written = member.recovery_codes[0].upper().replace("-", " ").replace("0", "O").replace("1", "l")

    assert (await member.sign_in(written))["errors"] == []


async def test_code_of_the_app_may_have_spaces(member: Member) -> None:
    code = member.phone.next_code()

    assert (await member.sign_in(f" {code[:3]} {code[3:]} "))["errors"] == []


@pytest.mark.parametrize(("steps", "accepted"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
async def test_code_may_be_one_step_off(member: Member, held_clock: HeldClock, steps: int, accepted: bool) -> None:
    held_clock.move(timedelta(minutes=2))

    payload = await member.sign_in(member.phone.code(steps))

    assert refusals(payload) == ([] if accepted else [WRONG_CODE])


async def test_code_is_accepted_once_and_so_is_every_one_before_it(member: Member, held_clock: HeldClock) -> None:
    held_clock.move(timedelta(minutes=2))
    earlier, code, later = (member.phone.code(steps) for steps in (-1, 0, 1))

    payloads = [await member.sign_in(given) for given in (code, code, earlier, later)]

    assert [refusals(payload) for payload in payloads] == [[], [WRONG_CODE], [WRONG_CODE], []]


async def test_code_that_switched_it_on_signs_nobody_in(member: Member) -> None:
    assert refusals(await member.sign_in(member.phone.code())) == [WRONG_CODE]


@pytest.mark.parametrize("kind", ["app", "recovery"])
async def test_of_twenty_parallel_uses_of_a_code_one_wins(member: Member, count: Count, kind: str) -> None:
    challenges = [await member.challenge() for _ in range(20)]
    code = member.phone.next_code() if kind == "app" else member.recovery_codes[0]
    before = await count("sessions", member.person)

    payloads = await asyncio.gather(*(member.complete(challenge, code) for challenge in challenges))

    assert len([payload for payload in payloads if not payload["errors"]]) == 1
    assert len([payload for payload in payloads if payload["accessToken"]]) == 1
    codes = sorted(error["code"] for payload in payloads for error in payload["errors"])
    # The others are wrong codes: the fifth of them locks.
    assert codes == ["INVALID_CREDENTIALS"] * 5 + ["LIMIT_EXCEEDED"] * 14
    assert await count("sessions", member.person) == before + 1


async def test_of_parallel_uses_of_a_challenge_with_different_codes_one_wins(member: Member, count: Count) -> None:
    challenge = await member.challenge()
    before = await count("sessions", member.person)

    given = [member.phone.next_code(), *member.recovery_codes]
    payloads = await asyncio.gather(*(member.complete(challenge, code) for code in given))

    assert len([payload for payload in payloads if not payload["errors"]]) == 1
    assert [refusals(payload) for payload in payloads if payload["errors"]] == [[WRONG_CHALLENGE]] * 10
    assert await count("sessions", member.person) == before + 1
    # Who came too late keeps the recovery code.
    assert (await member.mfa())["recoveryCodesLeft"] in (9, 10)


async def test_used_challenge_is_over_and_takes_no_code(member: Member) -> None:
    challenge = await member.challenge()
    await member.complete(challenge, member.phone.next_code())
    code = member.phone.next_code()

    assert refusals(await member.complete(challenge, code)) == [WRONG_CHALLENGE]
    assert refusals(await member.complete(challenge, member.recovery_codes[0])) == [WRONG_CHALLENGE]
    assert (await member.mfa())["recoveryCodesLeft"] == 10
    assert (await member.sign_in(code))["errors"] == []


@pytest.mark.parametrize(("seconds", "valid"), [(299, True), (300, False)])
async def test_challenge_holds_for_five_minutes(
    member: Member, held_clock: HeldClock, seconds: int, valid: bool
) -> None:
    challenge = await member.challenge()
    held_clock.move(timedelta(seconds=seconds))

    payload = await member.complete(challenge, member.phone.code())

    assert refusals(payload) == ([] if valid else [WRONG_CHALLENGE])
    assert (payload["accessToken"] is not None) == valid


async def test_wrong_code_leaves_the_challenge(member: Member) -> None:
    challenge = await member.challenge()

    assert refusals(await member.complete(challenge, member.phone.wrong_code())) == [WRONG_CODE]
    assert (await member.complete(challenge, member.phone.next_code()))["errors"] == []


async def test_challenge_ends_when_the_password_changes(member: Member, sql: Sql) -> None:
    challenge = await member.challenge()
    await sql(
        "UPDATE users SET password_hash = password_hash || 'x' WHERE email_index = :email",
        email=email_index(member.person.email),
    )

    assert refusals(await member.complete(challenge, member.phone.next_code())) == [WRONG_CHALLENGE]


async def test_challenge_is_of_one_user(member: Member, held_clock: HeldClock, http: httpx.AsyncClient) -> None:
    other = await enrolled(Person(http, member.person.url, new_email()), held_clock)
    challenge = await other.challenge()

    assert refusals(await member.complete(challenge, member.phone.next_code())) == [WRONG_CODE]
    assert refusals(await member.complete(challenge, member.recovery_codes[0])) == [WRONG_CODE]
    assert (await member.mfa())["recoveryCodesLeft"] == 10


@pytest.mark.parametrize("challenge", ["", "bzm_", "bzm_" + "A" * 43, "\0", "x" * 10_000, "é"])
async def test_what_is_no_challenge_is_refused_in_the_same_way(member: Member, challenge: str) -> None:
    assert refusals(await member.complete(challenge, member.phone.next_code())) == [WRONG_CHALLENGE]


@pytest.mark.parametrize("code", ["", "12345", "1234567", "abcdef", "１２３４５６", "\0", "x" * 10_000, "-"])
async def test_what_is_no_code_is_wrong(member: Member, code: str) -> None:
    assert refusals(await member.sign_in(code)) == [WRONG_CODE]


@pytest.mark.parametrize(
    ("given", "field"),
    [
        ({}, "email"),
        ({"email": "ann@example.com"}, "password"),
        ({"password": PASSWORD}, "email"),
        ({"mfaChallenge": "bzm_x"}, "code"),
        ({"code": "123456"}, "mfaChallenge"),
        ({"email": "ann@example.com", "password": PASSWORD, "code": "123456"}, "code"),
        ({"email": "ann@example.com", "mfaChallenge": "bzm_x"}, "mfaChallenge"),
        ({"password": PASSWORD, "mfaChallenge": "bzm_x", "code": "123456"}, "mfaChallenge"),
    ],
)
async def test_either_login_is_whole_and_alone(person: Person, given: dict[str, str], field: str) -> None:
    assert refusals(await person.ask(SIGN_IN, input=given)) == [("INVALID_INPUT", ["input", field])]


async def test_no_session_is_opened_past_the_second_factor(
    member: Member, engine: AsyncEngine, sql: Sql, count: Count
) -> None:
    mine = email_index(member.person.email)
    ((user_id, hashed),) = await sql("SELECT id, password_hash FROM users WHERE email_index = :mine", mine=mine)
    lifetime = sessions.Lifetime(idle=timedelta(days=1), longest=timedelta(days=1))
    before = await count("sessions", member.person)

    for password_hash in (hashed, None):
        with pytest.raises(MfaRequired):
            await sessions.open_session(engine, user_id, lifetime, password_hash=password_hash)

    assert await count("sessions", member.person) == before


async def test_challenges_that_have_run_out_are_cleared_out(member: Member, engine: AsyncEngine, count: Count) -> None:
    await member.challenge()
    member.phone.clock.move(-timedelta(minutes=6))
    await member.challenge()

    await sessions.clear_out(engine)

    assert await count("mfa_challenges", member.person) == 1


async def test_sign_in_during_the_switching_on_waits_and_needs_a_code(
    member: Member, owner_engine: AsyncEngine, sql: Sql, count: Count
) -> None:
    index = email_index(member.person.email)
    whose = "user_id IN (SELECT id FROM users WHERE email_index = :index)"
    await sql(f"UPDATE totp_factors SET confirmed_at = NULL WHERE {whose}", index=index)
    mine = text("SELECT id FROM users WHERE email_index = :index FOR NO KEY UPDATE").bindparams(index=index)
    before = await count("sessions", member.person)
    async with owner_engine.begin() as switching_on:
        user_id = (await switching_on.execute(mine)).scalar_one()
        signing_in = asyncio.create_task(member.challenge())
        await somebody_waits(sql, signing_in)
        await switching_on.execute(
            text("UPDATE totp_factors SET confirmed_at = now() WHERE user_id = :user"), {"user": user_id}
        )

    assert (await signing_in).startswith("bzm_")
    assert await count("sessions", member.person) == before


async def somebody_waits(sql: Sql, task: asyncio.Task[str]) -> None:
    """For a row that another transaction has locked."""
    waiting = "SELECT count(*) FROM pg_locks WHERE NOT granted"
    async with asyncio.timeout(10):
        while (await sql(waiting))[0][0] == 0:
            assert not task.done()
            await asyncio.sleep(0.01)
