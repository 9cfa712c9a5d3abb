"""Sealing everything again with another key, beside a service that reads and writes."""

import asyncio
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app import ids
from app.db.sealed import USER_EMAIL, USER_NAME, SealedColumn
from app.db.vault import Unreadable, Vault
from app.services.account import people
from app.services.encryption import rotate as module
from app.services.encryption.rotate import Report, check, rotate
from tests.integration.encryption.conftest import NEW, OLD, Add, Sql, until_waiting

PEOPLE = (USER_EMAIL, USER_NAME)
BEFORE, DURING, AFTER = Vault([OLD]), Vault([NEW, OLD]), Vault([NEW])


def quiet(step: str, done: int, of: int) -> None:
    pass


async def stored(sql: Sql, row: UUID) -> asyncpg.Record:
    found = await sql.fetchrow("SELECT id, email, email_index, name FROM users WHERE id = $1", row)
    assert found is not None
    return found


def numbers(report: Report) -> tuple[int, int, int, int]:
    return report.total, report.current, report.old, report.resealed


async def test_everything_is_sealed_and_found_by_the_new_key(
    owner: AsyncEngine, sql: Sql, add: Add, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "BATCH", 3)
    everybody = await add(BEFORE, 10)

    reports = await rotate(owner, DURING, PEOPLE, quiet)

    assert [(report.place, *numbers(report)) for report in reports] == [
        ("users.email", 10, 10, 0, 10), ("users.name", 10, 10, 0, 10)
    ]  # fmt: skip
    assert all(report.done for report in reports)
    for person in everybody:
        row = await stored(sql, person.id)
        assert AFTER.open(USER_EMAIL.place, person.id, row["email"]) == person.email
        assert AFTER.open(USER_NAME.place, person.id, row["name"]) == person.name
        assert row["email_index"] == AFTER.index(USER_EMAIL.place, person.email)


async def test_what_is_current_is_left_as_it_is(owner: AsyncEngine, sql: Sql, add: Add) -> None:
    (person,) = await add(DURING)
    before = await stored(sql, person.id)

    reports = await rotate(owner, DURING, PEOPLE, quiet)

    assert [numbers(report) for report in reports] == [(1, 1, 0, 0)] * 2
    assert await stored(sql, person.id) == before


async def test_checking_counts_and_changes_nothing(owner: AsyncEngine, sql: Sql, add: Add) -> None:
    (old,) = await add(BEFORE)
    await add(DURING, 2)
    before = await stored(sql, old.id)

    reports = await check(owner, DURING, PEOPLE, quiet)

    assert [numbers(report) for report in reports] == [(3, 2, 1, 0)] * 2
    assert not any(report.done for report in reports)
    assert await stored(sql, old.id) == before


async def test_an_index_of_another_key_is_put_right(owner: AsyncEngine, sql: Sql, add: Add) -> None:
    (person,) = await add(DURING)
    await sql.execute("UPDATE users SET email_index = $1", BEFORE.index(USER_EMAIL.place, person.email))

    (report,) = await rotate(owner, DURING, [USER_EMAIL], quiet)

    assert numbers(report) == (1, 1, 0, 1)
    assert (await stored(sql, person.id))["email_index"] == AFTER.index(USER_EMAIL.place, person.email)


async def test_what_cannot_be_opened_is_named_and_the_rest_is_done(owner: AsyncEngine, sql: Sql, add: Add) -> None:
    first, foreign, moved, last = [
        *await add(BEFORE), *await add(Vault([bytes(range(32))])), *await add(BEFORE, 2)
    ]  # fmt: skip
    await sql.execute(
        "UPDATE users SET email = (SELECT email FROM users WHERE id = $1) WHERE id = $2", last.id, moved.id
    )

    (report,) = await rotate(owner, DURING, [USER_EMAIL], quiet)

    assert numbers(report) == (4, 2, 0, 2)
    assert set(report.unreadable) == {foreign.id, moved.id}
    assert report.unreadable[moved.id] == f"users.email of {moved.id} is not what was sealed there."
    assert first.email not in str(report)
    assert not report.done


async def test_what_changes_meanwhile_is_not_written_over(owner: AsyncEngine, sql: Sql, add: Add) -> None:
    one, _ = await add(BEFORE, 2)
    changed = people.sealed(BEFORE, one.id, email="new@example.com", name="New")
    async with sql.transaction():
        await sql.execute(
            "UPDATE users SET email = $2, email_index = $3 WHERE id = $1",
            one.id,
            changed["email"],
            changed["email_index"],
        )
        running = asyncio.create_task(rotate(owner, DURING, [USER_EMAIL], quiet))
        await until_waiting(sql, "transactionid")

    (report,) = await running
    row = await stored(sql, one.id)

    # By a process that seals with the old key still: it is told, and the next run finds it.
    assert numbers(report) == (2, 1, 1, 1)
    assert row["email"] == changed["email"]
    assert numbers((await rotate(owner, DURING, [USER_EMAIL], quiet))[0]) == (2, 2, 0, 1)
    assert AFTER.open(USER_EMAIL.place, one.id, (await stored(sql, one.id))["email"]) == "new@example.com"


async def test_an_address_that_two_rows_have_is_told(owner: AsyncEngine, sql: Sql, add: Add) -> None:
    (first,) = await add(BEFORE, email="ann@example.com")
    # By a process that did not know the other key.
    await add(AFTER, email="ann@example.com")
    (third,) = await add(BEFORE)

    (report,) = await rotate(owner, DURING, [USER_EMAIL], quiet)

    assert (numbers(report), report.taken) == ((3, 2, 1, 1), [first.id])
    assert DURING.open(USER_EMAIL.place, first.id, (await stored(sql, first.id))["email"]) == "ann@example.com"
    assert DURING.is_current((await stored(sql, third.id))["email"])


async def test_a_place_is_a_line_whatever_its_key_is_called(owner: AsyncEngine, sql: Sql) -> None:
    place = SealedColumn("codes", "secret", key="owner_id")
    await sql.execute("CREATE TABLE codes (owner_id uuid PRIMARY KEY, secret bytea)")
    rows = [ids.new_id() for _ in range(3)]
    values = [(row, BEFORE.seal(place.place, row, f"secret {row}")) for row in rows[:2]]
    await sql.executemany("INSERT INTO codes VALUES ($1, $2)", [*values, (rows[2], None)])

    (report,) = await rotate(owner, DURING, [place], quiet)

    assert numbers(report) == (2, 2, 0, 2)
    for row in rows[:2]:
        sealed = await sql.fetchval("SELECT secret FROM codes WHERE owner_id = $1", row)
        assert AFTER.open("codes.secret", row, sealed) == f"secret {row}"
        with pytest.raises(Unreadable):
            BEFORE.open("codes.secret", row, sealed)


async def test_progress_tells_place_and_count(owner: AsyncEngine, add: Add, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "BATCH", 2)
    told: list[tuple[str, int, int]] = []
    await add(BEFORE, 3)

    await rotate(owner, DURING, [USER_EMAIL], lambda *heard: told.append(heard))

    assert told == [(step, done, 3) for step in ("sealing users.email", "checking users.email") for done in (0, 2, 3)]
