"""Refresh tokens: each works once, a second use ends the session, and a session that has ended is over everywhere."""

import asyncio
import hashlib
from collections.abc import Callable
from typing import Any

import httpx
import jwt
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.sealed import USER_EMAIL
from app.db.vault import Vault
from app.services.account import sessions
from app.services.account.authenticate import CACHE_SECONDS
from tests.integration.api.accounts import CHANGE_PASSWORD, PASSWORD, SIGN_OUT, Person, new_email
from tests.integration.api.answers import refusals
from tests.integration.api.conftest import OwnApi, Sql
from tests.integration.conftest import Tenant
from tests.integration.graphql_client import connect

REFUSED = [("INVALID_CREDENTIALS", ["refreshToken"])]
NEW_PASSWORD = "another horse battery"
IndexOf = Callable[[Person], bytes]


@pytest.fixture
def person(http: httpx.AsyncClient, api: str) -> Person:
    return Person(http, api, new_email())


@pytest.fixture
def index_of(vault: Vault) -> IndexOf:
    """What a person's row is found by."""
    return lambda person: vault.index(USER_EMAIL.place, person.email)


def hash_of(token: str) -> bytes:
    return hashlib.sha256(token.encode()).digest()


def session_of(payload: Any) -> str:
    claims: dict[str, str] = jwt.decode(payload["accessToken"], options={"verify_signature": False})
    return claims["sid"]


async def until_refused(person: Person, token: str) -> None:
    """Within the time that an authenticator may remember, and a little for the request."""
    async with asyncio.timeout(CACHE_SECONDS + 1):
        while await person.works(token):  # noqa: ASYNC110 no event for it
            await asyncio.sleep(0.05)


async def test_each_token_gives_the_next_and_a_new_access_token(person: Person) -> None:
    first = await person.sign_up()

    second = await person.refresh(first["refreshToken"])
    third = await person.refresh(second["refreshToken"])

    assert [payload["errors"] for payload in (first, second, third)] == [[], [], []]
    assert len({payload["refreshToken"] for payload in (first, second, third)}) == 3
    assert len({payload["accessToken"] for payload in (first, second, third)}) == 3
    assert {session_of(payload) for payload in (second, third)} == {session_of(first)}
    assert third["user"] == first["user"]
    assert await person.works(third["accessToken"])


async def test_token_is_random_recognisable_and_stored_as_a_hash_only(person: Person, sql: Sql) -> None:
    token = (await person.sign_up())["refreshToken"]

    (row,) = await sql("SELECT t::text FROM refresh_tokens t WHERE token_hash = :hash", hash=hash_of(token))

    assert token.startswith("bzr_")
    assert len(token) == 4 + 43
    assert token not in row
    assert token[4:] not in row


async def test_used_token_ends_the_session_and_its_access_tokens(person: Person) -> None:
    first = await person.sign_up()
    second = await person.refresh(first["refreshToken"])

    reused = await person.refresh(first["refreshToken"])
    after = await person.refresh(second["refreshToken"])

    assert refusals(reused) == refusals(after) == REFUSED
    assert (reused["accessToken"], reused["refreshToken"]) == (None, None)
    await until_refused(person, second["accessToken"])


async def test_used_token_leaves_other_sessions_of_the_user_alone(person: Person) -> None:
    first = await person.sign_up()
    elsewhere = await person.sign_in()
    await person.refresh(first["refreshToken"])
    await person.refresh(first["refreshToken"])

    assert session_of(elsewhere) != session_of(first)
    assert (await person.refresh(elsewhere["refreshToken"]))["errors"] == []


async def test_of_twenty_parallel_uses_one_wins_and_the_session_ends(person: Person) -> None:
    token = (await person.sign_up())["refreshToken"]

    answers = await asyncio.gather(*(person.refresh(token) for _ in range(20)))

    (winner,) = (answer for answer in answers if not answer["errors"])
    losers = [answer for answer in answers if answer["errors"]]
    assert [refusals(answer) for answer in losers] == [REFUSED] * 19
    assert refusals(await person.refresh(winner["refreshToken"])) == REFUSED
    await until_refused(person, winner["accessToken"])


@pytest.mark.parametrize("token", ["", "bzr_", "bzr_" + "A" * 43, "\0", "x" * 10_000, "é"])
async def test_what_is_no_token_is_refused_in_the_same_way(person: Person, token: str) -> None:
    assert refusals(await person.refresh(token)) == REFUSED


async def test_idle_session_has_ended(person: Person, sql: Sql, index_of: IndexOf) -> None:
    first = await person.sign_up()
    idle = "UPDATE sessions SET expires_at = now() WHERE user_id = (SELECT id FROM users WHERE email_index = :index)"
    await sql(idle, index=index_of(person))

    assert refusals(await person.refresh(first["refreshToken"])) == REFUSED
    await until_refused(person, first["accessToken"])


async def test_session_lives_30_days_after_a_refresh_and_90_in_all(person: Person, sql: Sql, index_of: IndexOf) -> None:
    first = await person.sign_up()
    lifetimes = """SELECT round(extract(epoch FROM s.expires_at - now()) / 86400),
        round(extract(epoch FROM s.ends_at - s.created_at) / 86400)
        FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email_index = :index"""
    assert tuple(await sql(lifetimes, index=index_of(person))) == (30, 90)

    old = """UPDATE sessions SET expires_at = now() + interval '1 hour', ends_at = now() + interval '10 days'
        WHERE user_id = (SELECT id FROM users WHERE email_index = :index)"""
    await sql(old, index=index_of(person))
    await person.refresh(first["refreshToken"])

    assert (await sql(lifetimes, index=index_of(person)))[0] == 10


async def test_lifetimes_are_settings(http: httpx.AsyncClient, own_api: OwnApi, sql: Sql, index_of: IndexOf) -> None:
    async with own_api(bizq_session_idle_days=2, bizq_session_days=5) as url:
        person = Person(http, url, new_email())
        await person.sign_up()

    found = await sql(
        """SELECT expires_at - s.created_at < interval '49 hours', ends_at - s.created_at < interval '121 hours'
        FROM sessions s JOIN users u ON u.id = s.user_id WHERE u.email_index = :index""",
        index=index_of(person),
    )
    assert tuple(found) == (True, True)


async def test_signing_out_ends_the_session_in_every_process(person: Person, own_api: OwnApi) -> None:
    first = await person.sign_up()
    async with own_api() as url:
        elsewhere = Person(person.http, url, person.email)
        assert await elsewhere.works(first["accessToken"])

        signed_out = await person.ask(SIGN_OUT, refresh=first["refreshToken"])

        assert signed_out == {"errors": []}
        await until_refused(elsewhere, first["accessToken"])
    await until_refused(person, first["accessToken"])
    assert refusals(await person.refresh(first["refreshToken"])) == REFUSED


async def test_signing_out_twice_or_with_nothing_is_no_error(person: Person) -> None:
    token = (await person.sign_up())["refreshToken"]

    for given in (token, token, "bzr_nobody", ""):
        assert await person.ask(SIGN_OUT, refresh=given) == {"errors": []}


async def test_signing_out_closes_the_sessions_sockets(person: Person, api: str) -> None:
    first = await person.sign_up()
    async with connect(api, {"authorization": f"Bearer {first['accessToken']}"}) as socket:
        # An operation that stays open: what ends is the connection that it runs on.
        await (await socket.subscribe("subscription { taskEvents { kind } }")).next()
        await person.ask(SIGN_OUT, refresh=first["refreshToken"])
        async with asyncio.timeout(15):
            await socket.connection.wait_closed()

    assert (socket.connection.close_code, socket.connection.close_reason) == (
        4403,
        "The session has ended; sign in again.",
    )


async def test_changing_the_password_ends_all_other_sessions(person: Person) -> None:
    other = await person.sign_up()
    mine = await person.sign_in()

    wanted = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}
    changed = await person.ask(CHANGE_PASSWORD, mine["accessToken"], input=wanted)

    assert changed == {"errors": []}
    assert refusals(await person.refresh(other["refreshToken"])) == REFUSED
    await until_refused(person, other["accessToken"])
    assert await person.works(mine["accessToken"])
    assert (await person.refresh(mine["refreshToken"]))["errors"] == []
    assert refusals(await person.sign_in()) == [("INVALID_CREDENTIALS", ["input", "password"])]
    assert (await person.sign_in(NEW_PASSWORD))["errors"] == []


@pytest.mark.parametrize(
    ("wanted", "refusal"),
    [
        ({"currentPassword": "wrong", "newPassword": NEW_PASSWORD}, ("INVALID_CREDENTIALS", "currentPassword")),
        ({"currentPassword": PASSWORD, "newPassword": "short"}, ("INVALID_INPUT", "newPassword")),
    ],
)
async def test_password_stays_where_either_one_is_wrong(
    person: Person, wanted: dict[str, str], refusal: tuple[str, str]
) -> None:
    other, mine = await person.sign_up(), await person.sign_in()

    changed = await person.ask(CHANGE_PASSWORD, mine["accessToken"], input=wanted)

    assert refusals(changed) == [(refusal[0], ["input", refusal[1]])]
    assert (await person.sign_in())["errors"] == []
    assert (await person.refresh(other["refreshToken"]))["errors"] == []


async def test_api_key_has_no_password(person: Person, tenant: Tenant) -> None:
    wanted = {"currentPassword": PASSWORD, "newPassword": NEW_PASSWORD}

    assert refusals(await person.ask(CHANGE_PASSWORD, tenant.api_key, input=wanted)) == [("FORBIDDEN", None)]


async def test_password_that_changed_meanwhile_opens_no_session(
    person: Person, engine: AsyncEngine, sql: Sql, index_of: IndexOf
) -> None:
    await person.sign_up()
    user_id, hashed = await sql(
        "SELECT id, password_hash FROM users WHERE email_index = :index", index=index_of(person)
    )
    lifetime = sessions.Lifetime(idle=sessions.QUIET, longest=sessions.QUIET)
    await sessions.open_session(engine, user_id, lifetime, password_hash=hashed)

    with pytest.raises(sessions.InvalidCredentials):
        await sessions.open_session(engine, user_id, lifetime, password_hash=hashed + "x")


async def test_what_has_run_out_is_cleared_out_and_nothing_else(
    person: Person, engine: AsyncEngine, sql: Sql, index_of: IndexOf, monkeypatch: pytest.MonkeyPatch
) -> None:
    kept = await person.sign_up()
    for _ in range(3):
        old = await person.sign_in()
        await person.refresh(old["refreshToken"])
        await sql(
            "UPDATE sessions SET expires_at = now() - interval '1 s' WHERE id = ("
            "SELECT session_id FROM refresh_tokens WHERE token_hash = :hash)",
            hash=hash_of(old["refreshToken"]),
        )
    monkeypatch.setattr(sessions, "BATCH", 2)

    await sessions.clear_out(engine)

    mine = "WHERE user_id = (SELECT id FROM users WHERE email_index = :index)"
    assert (await sql(f"SELECT count(*) FROM sessions {mine}", index=index_of(person)))[0] == 1
    assert (await sql(f"SELECT count(*) FROM refresh_tokens {mine}", index=index_of(person)))[0] == 1
    assert (await person.refresh(kept["refreshToken"]))["errors"] == []
