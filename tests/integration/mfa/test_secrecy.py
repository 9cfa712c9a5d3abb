"""What is shown once is nowhere to be read afterwards, and one user's rows are no other's."""

import base64
from collections.abc import Awaitable, Callable
from typing import Any

import asyncpg
import httpx
import pytest
from sqlmodel import SQLModel

import app.models  # noqa: F401  registers the tables
from app.settings import Settings
from tests.integration.api.accounts import Person, email_index, new_email
from tests.integration.mfa.people import HeldClock, Member, enrolled

Sql = Callable[..., Awaitable[Any]]
OWN_TABLES = ["mfa_challenges", "recovery_codes", "totp_factors"]


async def test_secrets_are_in_no_table_as_they_are(member: Member, sql: Sql) -> None:
    challenge = await member.challenge()
    await member.sign_in(member.recovery_codes[0])
    secret = member.phone.secret
    shown = [secret, challenge[4:], *member.recovery_codes, *(code.replace("-", "") for code in member.recovery_codes)]
    # bytea is written in hexadecimal.
    canaries = [*shown, *(text.encode().hex() for text in shown), base64.b32decode(secret).hex()]

    for table in SQLModel.metadata.tables:
        text = "\n".join(row for (row,) in await sql(f'SELECT t::text FROM "{table}" t')).lower()
        assert [canary for canary in canaries if canary.lower() in text] == [], table
    ((sealed,),) = await sql(
        "SELECT length(secret) FROM totp_factors WHERE user_id = (SELECT id FROM users WHERE email_index = :mine)",
        mine=email_index(member.person.email),
    )
    assert sealed == 4 + 12 + len(secret) + 16


async def test_secret_of_another_row_does_not_open(
    member: Member, held_clock: HeldClock, http: httpx.AsyncClient, sql: Sql
) -> None:
    other = await enrolled(Person(http, member.person.url, new_email()), held_clock)
    await sql(
        """UPDATE totp_factors SET secret = (SELECT secret FROM totp_factors f JOIN users u ON u.id = f.user_id
            WHERE u.email_index = :theirs) WHERE user_id = (SELECT id FROM users WHERE email_index = :mine)""",
        theirs=email_index(other.person.email),
        mine=email_index(member.person.email),
    )

    with pytest.raises(AssertionError, match="INTERNAL"):
        await member.step_up(other.phone.next_code())


@pytest.mark.parametrize("table", OWN_TABLES)
async def test_rows_are_their_users_alone(
    member: Member, held_clock: HeldClock, http: httpx.AsyncClient, settings: Settings, sql: Sql, table: str
) -> None:
    other = await enrolled(Person(http, member.person.url, new_email()), held_clock)
    for each in (member, other):
        await each.challenge()
    mine, theirs = [
        (await sql("SELECT id FROM users WHERE email_index = :e", e=email_index(each.person.email)))[0][0]
        for each in (member, other)
    ]
    connection = await asyncpg.connect(settings.app_database_url)
    try:
        assert await connection.fetchval(f"SELECT count(*) FROM {table}") == 0
        async with connection.transaction():
            await connection.execute("SELECT set_config('app.user_id', $1, true)", str(mine))
            assert {row["user_id"] for row in await connection.fetch(f"SELECT user_id FROM {table}")} == {mine}
            assert await connection.execute(f"DELETE FROM {table} WHERE user_id = $1", theirs) == "DELETE 0"
            with pytest.raises(asyncpg.InsufficientPrivilegeError):
                await connection.execute(*foreign_row(table), theirs)
    finally:
        await connection.close()


def foreign_row(table: str) -> tuple[str]:
    columns = {
        "mfa_challenges": "(challenge_hash, expires_at, user_id) VALUES ('\\x00', now(), $1)",
        "recovery_codes": "(code_hash, user_id) VALUES ('\\x00', $1)",
        "totp_factors": "(secret, user_id) VALUES ('\\x00', $1)",
    }
    return (f"INSERT INTO {table} {columns[table]}",)
