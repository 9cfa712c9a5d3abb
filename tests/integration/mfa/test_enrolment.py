"""An authenticator app is shown its secret once, and counts from its first code on."""

import asyncio
import re
from datetime import timedelta
from typing import Any

import pytest

from tests.integration.api.accounts import PASSWORD, Person
from tests.integration.api.answers import code as code_of
from tests.integration.api.answers import refusals
from tests.integration.conftest import Tenant
from tests.integration.graphql_client import Gql
from tests.integration.mfa.conftest import Count
from tests.integration.mfa.people import (
    CONFIRM,
    DISABLE,
    ENROL,
    MFA,
    REGENERATE,
    STEP_UP,
    HeldClock,
    Member,
    Phone,
)  # fmt: skip

MUTATIONS: list[tuple[str, dict[str, Any]]] = [
    (ENROL, {"password": PASSWORD}),
    (CONFIRM, {"code": "123456"}),
    (STEP_UP, {"code": "123456"}),
    (REGENERATE, {}),
    (DISABLE, {}),
]


async def test_secret_is_shown_and_nothing_asks_for_it_yet(person: Person, held_clock: HeldClock) -> None:
    token = (await person.sign_up())["accessToken"]

    shown = await person.ask(ENROL, token, password=PASSWORD)

    assert re.fullmatch("[A-Z2-7]{32}", shown["secret"])
    assert shown["provisioningUri"] == (
        f"otpauth://totp/BizQ:{person.email.replace('@', '%40')}?secret={shown['secret']}&issuer=BizQ"
    )
    assert (await person.ask(MFA, token))["mfa"] is None
    signed_in = await person.sign_in()
    assert signed_in["errors"] == []
    assert await person.works(signed_in["accessToken"])


async def test_first_code_switches_it_on_and_shows_ten_codes(member: Member, held_clock: HeldClock) -> None:
    assert len(set(member.recovery_codes)) == 10
    assert all(re.fullmatch("([0-9a-z]{4}-){3}[0-9a-z]{4}", code) for code in member.recovery_codes)
    assert await member.mfa() == {
        "enabledAt": held_clock.now().isoformat(),
        "recoveryCodesLeft": 10,
        "steppedUpUntil": (held_clock.now() + timedelta(minutes=10)).isoformat(),
    }
    assert await member.challenge()


async def test_switching_it_on_ends_the_other_sessions(person: Person, held_clock: HeldClock) -> None:
    other, mine = await person.sign_up(), await person.sign_in()
    token = mine["accessToken"]
    phone = Phone((await person.ask(ENROL, token, password=PASSWORD))["secret"], held_clock)

    await person.ask(CONFIRM, token, code=phone.code())

    assert refusals(await person.refresh(other["refreshToken"])) == [("INVALID_CREDENTIALS", ["refreshToken"])]
    assert await person.works(token)
    assert (await person.refresh(mine["refreshToken"]))["errors"] == []


async def test_wrong_first_code_switches_nothing_on(person: Person, held_clock: HeldClock, count: Count) -> None:
    first = await person.sign_up()
    other = await person.sign_in()
    token = first["accessToken"]
    phone = Phone((await person.ask(ENROL, token, password=PASSWORD))["secret"], held_clock)

    refused = await person.ask(CONFIRM, token, code=phone.wrong_code())

    assert refusals(refused) == [("INVALID_CREDENTIALS", ["code"])]
    assert refused["recoveryCodes"] is None
    assert await count("recovery_codes", person) == 0
    assert (await person.ask(MFA, token))["mfa"] is None
    assert (await person.refresh(other["refreshToken"]))["errors"] == []
    assert (await person.sign_in())["errors"] == []


async def test_enrolling_again_before_the_first_code_replaces_the_secret(person: Person, held_clock: HeldClock) -> None:
    token = (await person.sign_up())["accessToken"]
    first, second = [Phone((await person.ask(ENROL, token, password=PASSWORD))["secret"], held_clock) for _ in "ab"]

    assert refusals(await person.ask(CONFIRM, token, code=first.code())) == [("INVALID_CREDENTIALS", ["code"])]
    assert (await person.ask(CONFIRM, token, code=second.code()))["errors"] == []


async def test_one_that_is_on_is_not_replaced(member: Member) -> None:
    code = member.phone.next_code()

    enrolled = await member.ask(ENROL, password=PASSWORD)
    confirmed = await member.ask(CONFIRM, code=code)

    assert refusals(enrolled) == refusals(confirmed) == [("INVALID_STATE", None)]
    assert (enrolled["secret"], enrolled["provisioningUri"], confirmed["recoveryCodes"]) == (None, None, None)
    assert (await member.sign_in(code))["errors"] == []
    assert (await member.mfa())["recoveryCodesLeft"] == 10


async def test_enrolling_needs_the_password(person: Person, count: Count) -> None:
    token = (await person.sign_up())["accessToken"]

    refused = [await person.ask(ENROL, token, password="wrong") for _ in range(6)]

    assert [refusals(payload) for payload in refused] == [
        *[[("INVALID_CREDENTIALS", ["password"])]] * 5,
        [("LIMIT_EXCEEDED", ["password"])],
    ]
    assert [payload["retryAt"] is None for payload in refused] == [True] * 5 + [False]
    assert await count("totp_factors", person) == 0


async def test_there_is_nothing_to_confirm_show_or_switch_off_before(person: Person) -> None:
    token = (await person.sign_up())["accessToken"]

    for document, variables in MUTATIONS[1:]:
        assert refusals(await person.ask(document, token, **variables)) == [("INVALID_STATE", None)], document


@pytest.mark.parametrize(("document", "variables"), MUTATIONS)
async def test_api_key_has_no_second_factor(
    person: Person, tenant: Tenant, document: str, variables: dict[str, Any]
) -> None:
    assert refusals(await person.ask(document, tenant.api_key, **variables)) == [("FORBIDDEN", None)]
    assert (await person.ask(MFA, tenant.api_key))["mfa"] is None


@pytest.mark.parametrize(("document", "variables"), MUTATIONS)
async def test_nobody_has_no_second_factor(person: Person, document: str, variables: dict[str, Any]) -> None:
    response = await Gql(person.http, person.url, None).raw(document, **variables)

    assert code_of(response)[1] == "UNAUTHENTICATED"


async def test_two_who_confirm_at_once_get_codes_once(person: Person, held_clock: HeldClock, count: Count) -> None:
    token = (await person.sign_up())["accessToken"]
    phone = Phone((await person.ask(ENROL, token, password=PASSWORD))["secret"], held_clock)
    code = phone.code()

    answers = await asyncio.gather(*(person.ask(CONFIRM, token, code=code) for _ in range(5)))

    assert sorted(len(answer["recoveryCodes"] or []) for answer in answers) == [0, 0, 0, 0, 10]
    assert await count("recovery_codes", person) == 10
