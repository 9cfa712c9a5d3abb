"""Who fails to sign in too often waits; nobody can keep others out of their accounts for it."""

import asyncio
import time
import zlib
from datetime import UTC, datetime, timedelta
from statistics import median
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.vault import Vault
from app.services.account import lockout, passwords, sessions
from app.services.account.lockout import Attempt
from tests.integration.api.accounts import CHANGE_PASSWORD, PASSWORD, Person, new_email
from tests.integration.api.answers import refusals
from tests.integration.api.conftest import Sql

WRONG = [("INVALID_CREDENTIALS", ["input", "password"])]
LOCKED = [("LIMIT_EXCEEDED", ["input", "password"])]


@pytest.fixture
def person(http: httpx.AsyncClient, api: str, request: pytest.FixtureRequest) -> Person:
    """From an address of the test's own."""
    number = zlib.crc32(request.node.name.encode()) % 65_536
    return Person(http, api, new_email(), f"10.0.{number // 256}.{number % 256}")


def elsewhere(person: Person, client: str, email: str | None = None) -> Person:
    return Person(person.http, person.url, email or person.email, client)


async def fail(person: Person, times: int) -> list[Any]:
    return [await person.sign_in("wrong") for _ in range(times)]


async def time_passes(sql: Sql, vault: Vault, person: Person, passed: timedelta) -> None:
    """For the failures of this login from this address."""
    move = """UPDATE sign_in_failures SET failed_at = failed_at - cast(:passed AS interval),
        locked_until = locked_until - cast(:passed AS interval) WHERE key = ANY (:keys)"""
    attempt = Attempt.of(vault, person.email, person.client)
    await sql(move, passed=passed, keys=[*attempt.origins, *attempt.accounts])


async def test_fifth_failure_locks_for_a_minute_and_says_until_when(person: Person) -> None:
    await person.sign_up()

    failures = await fail(person, 5)
    refused = await person.sign_in()

    assert [refusals(failure) for failure in failures] == [WRONG] * 5
    assert refusals(refused) == LOCKED
    assert (refused["accessToken"], refused["refreshToken"]) == (None, None)
    wait = datetime.fromisoformat(refused["retryAt"]) - datetime.now(UTC)
    assert timedelta(seconds=50) < wait <= lockout.FIRST_LOCK
    assert "Try again in" in refused["errors"][0]["message"]


async def test_lock_ends_and_the_next_one_is_twice_as_long(person: Person, sql: Sql, vault: Vault) -> None:
    await person.sign_up()
    waits = []
    for _ in range(3):
        await fail(person, 5)
        locked = await person.sign_in()
        waits.append(round((datetime.fromisoformat(locked["retryAt"]) - datetime.now(UTC)).total_seconds() / 60))
        await time_passes(sql, vault, person, timedelta(minutes=waits[-1], seconds=1))

    assert waits == [1, 2, 4]
    assert (await person.sign_in())["errors"] == []


async def test_signing_in_ends_the_count(person: Person) -> None:
    await person.sign_up()

    for _ in range(3):
        assert [refusals(failure) for failure in await fail(person, 4)] == [WRONG] * 4
        assert (await person.sign_in())["errors"] == []


async def test_quiet_time_ends_the_count(person: Person, sql: Sql, vault: Vault) -> None:
    await person.sign_up()
    await fail(person, 4)

    await time_passes(sql, vault, person, lockout.QUIET + timedelta(seconds=1))

    assert [refusals(failure) for failure in await fail(person, 4)] == [WRONG] * 4


async def test_trying_while_locked_makes_it_no_longer(person: Person) -> None:
    await person.sign_up()
    await fail(person, 5)
    first = await person.sign_in()

    again = (await fail(person, 10))[-1]

    assert again["retryAt"] == first["retryAt"]


async def test_unknown_addresses_are_locked_in_the_same_way(person: Person) -> None:
    answers = await fail(person, 6)

    assert [refusals(answer) for answer in answers] == [WRONG] * 5 + [LOCKED]


async def test_another_login_and_another_address_are_not_concerned(person: Person) -> None:
    await person.sign_up()
    colleague = elsewhere(person, person.client, new_email())
    await colleague.sign_up()
    await fail(person, 5)

    assert (await colleague.sign_in())["errors"] == []
    assert (await elsewhere(person, "10.1.0.1").sign_in())["errors"] == []
    assert refusals(await person.sign_in()) == LOCKED


async def test_attack_from_everywhere_locks_strangers_but_not_the_owner(
    person: Person, engine: AsyncEngine, vault: Vault
) -> None:
    await person.sign_up()
    for number in range(50):
        await lockout.record_failure(engine, Attempt.of(vault, person.email, f"10.2.0.{number}"))

    assert refusals(await elsewhere(person, "10.3.0.1").sign_in()) == LOCKED
    assert (await person.sign_in())["errors"] == []


async def test_address_that_tries_many_logins_is_locked(person: Person, engine: AsyncEngine, vault: Vault) -> None:
    for _ in range(100):
        await lockout.record_failure(engine, Attempt.of(vault, new_email(), "2001:db8:1:2::1"))

    neighbour = elsewhere(person, "2001:db8:1:2:ffff::9")
    assert refusals(await neighbour.sign_in()) == LOCKED
    assert refusals(await elsewhere(person, "2001:db8:1:3::1").sign_in()) == WRONG


async def test_parallel_guesses_get_no_more_tries(person: Person) -> None:
    await person.sign_up()

    answers = await asyncio.gather(*(person.sign_in("wrong") for _ in range(30)))

    wrong = [answer for answer in answers if refusals(answer) == WRONG]
    assert 5 <= len(wrong) <= 5 + passwords.CONCURRENT - 1
    assert [refusals(answer) for answer in answers if answer not in wrong] == [LOCKED] * (30 - len(wrong))


async def test_wrong_password_to_change_it_counts_as_well(person: Person) -> None:
    token = (await person.sign_up())["accessToken"]
    wanted = {"currentPassword": "wrong", "newPassword": "another horse battery"}
    for _ in range(5):
        await person.ask(CHANGE_PASSWORD, token, input=wanted)

    right = wanted | {"currentPassword": PASSWORD}
    assert refusals(await person.ask(CHANGE_PASSWORD, token, input=right)) == [
        ("LIMIT_EXCEEDED", ["input", "currentPassword"])
    ]
    assert refusals(await person.sign_in()) == LOCKED


async def test_unknown_login_takes_as_long_as_a_wrong_password(person: Person) -> None:
    await person.sign_up()

    async def seconds(number: int, email: str) -> float:
        began = time.perf_counter()
        await elsewhere(person, f"10.4.{number}.1", email).sign_in("wrong")
        return time.perf_counter() - began

    known, unknown = [], []
    for number in range(12):
        known.append(await seconds(number, person.email))
        unknown.append(await seconds(number, new_email()))

    assert 0.6 < median(known) / median(unknown) < 1.6


async def test_neither_address_nor_login_is_stored(person: Person, sql: Sql) -> None:
    await fail(person, 1)

    (content,) = await sql("SELECT string_agg(f::text, ' ') FROM sign_in_failures f")

    assert person.email not in content
    assert person.client not in content


async def test_failures_that_count_no_more_are_cleared_out(
    person: Person, engine: AsyncEngine, sql: Sql, vault: Vault
) -> None:
    await fail(person, 1)
    key = Attempt.of(vault, person.email, person.client).origin
    found = "SELECT count(*) FROM sign_in_failures WHERE key = :key"

    await sessions.clear_out(engine)
    assert (await sql(found, key=key))[0] == 1
    await time_passes(sql, vault, person, lockout.QUIET + timedelta(minutes=1))
    await sessions.clear_out(engine)

    assert (await sql(found, key=key))[0] == 0
