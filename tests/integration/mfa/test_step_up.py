"""What can do lasting harm needs a second factor that was shown in the last ten minutes."""

from collections.abc import Awaitable, Callable
from datetime import timedelta
from typing import Any

import pytest

from app.main import build_app
from app.services.account.tokens import TokenSigner
from app.settings import Settings
from tests.integration.api.accounts import CHANGE_PASSWORD, PASSWORD, Person, email_index
from tests.integration.api.answers import refusals
from tests.integration.conftest import Tenant, serving
from tests.integration.graphql_client import connect
from tests.integration.mfa.conftest import Count
from tests.integration.mfa.people import (
    CREATE_KEY,
    DISABLE,
    MFA,
    REGENERATE,
    REVOKE_KEY,
    STEP_UP,
    WRONG_CHALLENGE,
    HeldClock,
    Member,
)  # fmt: skip

Sql = Callable[..., Awaitable[Any]]
REQUIRED = [("MFA_REQUIRED", None)]
NEW_PASSWORD = "another horse battery"
WINDOW = timedelta(minutes=10)
CHANGE: dict[str, Any] = {"input": {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}}


async def everything_of(sql: Sql, person: Person) -> Any:
    """All that the five operations change."""
    mine = "user_id = u.id"
    return await sql(
        f"""SELECT u.password_hash,
            (SELECT array_agg(k::text ORDER BY id) FROM api_keys k WHERE creator_id = u.id),
            (SELECT array_agg(s::text ORDER BY id) FROM sessions s WHERE {mine}),
            (SELECT array_agg(f::text) FROM totp_factors f WHERE {mine}),
            (SELECT array_agg(c::text ORDER BY code_hash) FROM recovery_codes c WHERE {mine})
        FROM users u WHERE u.email_index = :email""",
        email=email_index(person.email),
    )


async def test_without_a_fresh_second_factor_nothing_changes(member: Member, held_clock: HeldClock, sql: Sql) -> None:
    key = (await member.ask(CREATE_KEY))["apiKey"]["id"]
    before = await everything_of(sql, member.person)
    held_clock.move(WINDOW)

    for document, variables in (
        (CREATE_KEY, {}), (REVOKE_KEY, {"id": key}), (CHANGE_PASSWORD, CHANGE), (REGENERATE, {}), (DISABLE, {}),
    ):  # fmt: skip
        refused = await member.ask(document, **variables)
        assert refusals(refused) == REQUIRED, document
        assert "call stepUp with a code" in refused["errors"][0]["message"]

    assert await everything_of(sql, member.person) == before


async def test_step_up_opens_them_for_ten_minutes(member: Member, held_clock: HeldClock) -> None:
    held_clock.move(timedelta(hours=1))

    stepped_up = await member.step_up(member.phone.code())

    assert stepped_up == {"validUntil": (held_clock.now() + WINDOW).isoformat(), "retryAt": None, "errors": []}
    assert (await member.mfa())["steppedUpUntil"] == stepped_up["validUntil"]
    held_clock.move(WINDOW - timedelta(seconds=1))
    key = (await member.ask(CREATE_KEY))["apiKey"]["id"]
    assert (await member.ask(REVOKE_KEY, id=key))["errors"] == []
    held_clock.move(timedelta(seconds=1))
    assert refusals(await member.ask(CREATE_KEY)) == REQUIRED


async def test_recovery_code_steps_up_too(member: Member, held_clock: HeldClock) -> None:
    held_clock.move(WINDOW)

    assert (await member.step_up(member.recovery_codes[0]))["errors"] == []
    assert (await member.ask(CREATE_KEY))["errors"] == []
    assert (await member.mfa())["recoveryCodesLeft"] == 9


async def test_wrong_code_opens_nothing(member: Member, held_clock: HeldClock) -> None:
    held_clock.move(WINDOW)

    refused = await member.step_up(member.phone.wrong_code())

    assert refusals(refused) == [("INVALID_CREDENTIALS", ["code"])]
    assert refused["validUntil"] is None
    assert refusals(await member.ask(CREATE_KEY)) == REQUIRED


async def test_signing_in_with_a_code_is_fresh_and_one_session_does_not_open_another(
    member: Member, held_clock: HeldClock
) -> None:
    held_clock.move(WINDOW)
    fresh = (await member.sign_in(member.phone.code()))["accessToken"]

    assert refusals(await member.ask(CREATE_KEY)) == REQUIRED
    assert (await member.person.ask(CREATE_KEY, fresh))["errors"] == []


async def test_every_process_knows_at_once(member: Member, held_clock: HeldClock, service_settings: Settings) -> None:
    held_clock.move(WINDOW)
    async with serving(build_app(service_settings)) as url:
        elsewhere = Person(member.person.http, url, member.person.email)
        for _ in range(3):
            assert refusals(await elsewhere.ask(CREATE_KEY, member.token)) == REQUIRED
            assert (await member.step_up(member.phone.next_code()))["errors"] == []
            assert (await elsewhere.ask(CREATE_KEY, member.token))["errors"] == []
            held_clock.move(WINDOW)


async def test_socket_that_was_open_before_knows_too(member: Member, held_clock: HeldClock, api: str) -> None:
    held_clock.move(WINDOW)
    async with connect(api, {"authorization": f"Bearer {member.token}"}) as socket:
        refused = await (await socket.subscribe(CREATE_KEY)).next()
        await (await socket.subscribe(STEP_UP, code=member.phone.code())).next()
        created = await (await socket.subscribe(CREATE_KEY)).next()

    assert refusals(refused) == REQUIRED
    assert created["errors"] == []


async def test_who_has_no_second_factor_is_not_asked(person: Person, tenant: Tenant) -> None:
    token = (await person.sign_up())["accessToken"]

    for caller in (token, tenant.api_key):
        key = (await person.ask(CREATE_KEY, caller))["apiKey"]["id"]
        assert (await person.ask(REVOKE_KEY, caller, id=key))["errors"] == []
    assert (await person.ask(CHANGE_PASSWORD, token, **CHANGE))["errors"] == []


async def test_api_key_of_a_person_with_one_is_not_asked(member: Member, held_clock: HeldClock) -> None:
    secret = (await member.ask(CREATE_KEY))["secret"]
    held_clock.move(WINDOW)

    assert (await member.person.ask(CREATE_KEY, secret))["errors"] == []


async def test_token_that_belongs_to_no_session_is_never_fresh(member: Member, settings: Settings, sql: Sql) -> None:
    ((user_id,),) = await sql("SELECT id FROM users WHERE email_index = :email", email=email_index(member.person.email))
    token = TokenSigner(settings.token_key, 900).issue(user_id).text

    stepped_up = await member.person.ask(STEP_UP, token, code=member.phone.next_code())

    assert refusals(stepped_up) == [("FORBIDDEN", None)]
    assert refusals(await member.person.ask(CREATE_KEY, token)) == REQUIRED


async def test_without_it_nobody_is_told_whether_the_password_is_right(
    member: Member, held_clock: HeldClock, count: Count
) -> None:
    held_clock.move(WINDOW)
    wrong = {"input": {"currentPassword": "wrong", "newPassword": NEW_PASSWORD}}

    answers = [await member.ask(CHANGE_PASSWORD, **given) for given in (wrong, CHANGE) for _ in range(6)]

    assert answers == [answers[0]] * 12
    assert refusals(answers[0]) == REQUIRED
    assert await member.challenge()


async def test_changing_the_password_keeps_the_second_factor(member: Member) -> None:
    assert (await member.ask(CHANGE_PASSWORD, **CHANGE))["errors"] == []

    signed_in = await member.person.sign_in(NEW_PASSWORD)

    assert (signed_in["errors"], signed_in["accessToken"]) == ([], None)
    assert (await member.mfa())["recoveryCodesLeft"] == 10


async def test_new_recovery_codes_end_the_old_ones(member: Member) -> None:
    old = member.recovery_codes
    assert (await member.sign_in(old[0]))["errors"] == []

    new = (await member.ask(REGENERATE))["recoveryCodes"]

    assert len(set(new) - set(old)) == 10
    assert (await member.mfa())["recoveryCodesLeft"] == 10
    assert refusals(await member.sign_in(old[1])) == [("INVALID_CREDENTIALS", ["input", "code"])]
    assert (await member.sign_in(new[0]))["errors"] == []


async def test_switching_it_off_leaves_the_password_and_ends_the_other_sessions(member: Member, count: Count) -> None:
    other = await member.sign_in(member.phone.next_code())
    challenge = await member.challenge()

    assert await member.ask(DISABLE) == {"errors": []}

    assert refusals(await member.person.refresh(other["refreshToken"])) == [("INVALID_CREDENTIALS", ["refreshToken"])]
    assert refusals(await member.complete(challenge, member.phone.next_code())) == [WRONG_CHALLENGE]
    assert await member.mfa() is None
    assert (await member.person.refresh(member.refresh_token))["errors"] == []
    signed_in = await member.person.sign_in()
    assert await member.person.works(signed_in["accessToken"])
    assert [await count(table, member.person) for table in ("totp_factors", "recovery_codes", "mfa_challenges")] == [
        0, 0, 0,
    ]  # fmt: skip
    assert (await member.person.ask(MFA, signed_in["accessToken"]))["mfa"] is None


@pytest.mark.parametrize("revoked", [False, True])
async def test_session_that_has_ended_is_not_fresh(member: Member, sql: Sql, revoked: bool) -> None:
    # Its access token may work for a second more.
    await member.person.works(member.token)
    if revoked:
        change = (
            "UPDATE sessions SET revoked_at = now() WHERE user_id = (SELECT id FROM users WHERE email_index = :email)"
        )
        await sql(change, email=email_index(member.person.email))

    assert refusals(await member.ask(CREATE_KEY)) == (REQUIRED if revoked else [])
