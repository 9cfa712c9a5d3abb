"""`bizq keys rotate` as an operator has it: a process, which may be killed."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import pytest

from app.db.sealed import USER_EMAIL, USER_NAME
from app.db.vault import Vault
from app.settings import Settings
from tests.integration.encryption.conftest import NEW, OLD, Add, Someone, Sql, ring, until_waiting

BEFORE, DURING, AFTER = Vault([OLD]), Vault([NEW, OLD]), Vault([NEW])
Start = Callable[..., Awaitable[asyncio.subprocess.Process]]


@pytest.fixture
def start(own: Settings, tmp_path: Path) -> Start:
    async def start(*arguments: str, keys: str = ring(NEW, OLD)) -> asyncio.subprocess.Process:
        environment = {
            "PATH": os.environ["PATH"],
            "BIZQ_DATA_DIR": str(tmp_path),
            "DATABASE_OWNER_URL": own.owner_database_url,
            "BIZQ_ENCRYPTION_KEY": keys,
        }
        command = [sys.executable, "-m", "app.cli", "keys", "rotate", *arguments]
        pipe = asyncio.subprocess.PIPE
        return await asyncio.create_subprocess_exec(*command, env=environment, stdout=pipe, stderr=pipe)

    return start


async def result(process: asyncio.subprocess.Process) -> tuple[int, str, str]:
    out, err = await asyncio.wait_for(process.communicate(), 60)
    assert process.returncode is not None
    return process.returncode, out.decode(), err.decode()


async def sealed_with(sql: Sql, vault: Vault) -> int:
    """How many addresses."""
    return sum(vault.is_current(row["email"]) for row in await sql.fetch("SELECT email FROM users"))


async def expect_readable(sql: Sql, everybody: list[Someone], vault: Vault) -> None:
    rows = {row["id"]: row for row in await sql.fetch("SELECT id, email, email_index, name FROM users")}
    assert len(rows) == len(everybody)
    for person in everybody:
        row = rows[person.id]
        assert vault.open(USER_EMAIL.place, person.id, row["email"]) == person.email
        assert vault.open(USER_NAME.place, person.id, row["name"]) == person.name
        assert row["email_index"] in vault.indexes(USER_EMAIL.place, person.email)


async def expect_readable_alone(sql: Sql, person: Someone) -> None:
    row: Any = await sql.fetchrow("SELECT email, name FROM users WHERE id = $1", person.id)
    assert AFTER.open(USER_EMAIL.place, person.id, row["email"]) == person.email
    assert AFTER.open(USER_NAME.place, person.id, row["name"]) == person.name


def of_people(out: str) -> list[Any]:
    """The places in `users`; nothing is in the others."""
    places = json.loads(out)["places"]
    assert [place["values"] for place in places if not place["place"].startswith("users.")] == [0] * (len(places) - 2)
    return [place for place in places if place["place"].startswith("users.")]


async def test_killed_in_the_middle_it_goes_on_when_it_is_run_again(start: Start, sql: Sql, add: Add) -> None:
    everybody = await add(BEFORE, 1_000)
    async with sql.transaction():
        # Where this row comes, it waits.
        await sql.execute("SELECT FROM users WHERE id = $1 FOR UPDATE", everybody[500].id)
        process = await start()
        await until_waiting(sql, "transactionid")
        process.kill()
        code, out, _ = await result(process)

    done = await sealed_with(sql, AFTER)
    assert (code, out) == (-9, "")
    assert 500 <= done < 1_000
    await expect_readable(sql, everybody, DURING)

    code, out, _ = await result(await start("--json"))

    assert code == 0
    assert [(place["values"], place["current"], place["resealed"]) for place in of_people(out)] == [
        (1_000, 1_000, 1_000 - done), (1_000, 1_000, 1_000)
    ]  # fmt: skip
    await expect_readable(sql, everybody, AFTER)


async def test_killed_at_any_line_of_its_progress_it_comes_to_an_end(start: Start, sql: Sql, add: Add) -> None:
    everybody = await add(BEFORE, 2_000)

    for lines in range(1, 6):
        process = await start()
        assert process.stderr is not None
        for _ in range(lines):
            await asyncio.wait_for(process.stderr.readline(), 60)
        if process.returncode is None:
            process.kill()
        await process.wait()
        await expect_readable(sql, everybody, DURING)
    code, out, _ = await result(await start("--json"))

    assert (code, json.loads(out)["ok"]) == (0, True)
    await expect_readable(sql, everybody, AFTER)


async def test_two_at_once_do_no_harm(start: Start, sql: Sql, add: Add) -> None:
    everybody = await add(BEFORE, 1_000)

    first, second = await asyncio.gather(result(await start("--json")), result(await start("--json")))

    assert (first[0], second[0]) == (0, 0)
    resealed = [place["resealed"] for out in (first[1], second[1]) for place in json.loads(out)["places"]]
    assert sum(resealed) == 2_000
    await expect_readable(sql, everybody, AFTER)


async def test_piped_it_tells_each_step_and_the_count_of_each_place(start: Start, add: Add) -> None:
    await add(BEFORE, 3)

    code, out, err = await result(await start())

    assert code == 0
    assert [line.split() for line in out.splitlines() if line.startswith(("PLACE", "users."))] == [
        ["PLACE", "VALUES", "CURRENT", "OLD", "UNREADABLE", "RESEALED"],
        ["users.email", "3", "3", "0", "0", "3"],
        ["users.name", "3", "3", "0", "0", "3"],
    ]
    steps = [f"{step} {place}" for step in ("sealing", "checking") for place in ("users.email", "users.name")]
    assert [line for line in err.splitlines() if " users." in line] == [
        f"{step}: {done} of 3" for step in steps for done in (0, 3)
    ]


async def test_check_counts_changes_nothing_and_fails_until_all_is_current(start: Start, sql: Sql, add: Add) -> None:
    everybody = await add(BEFORE, 2)

    code, out, err = await result(await start("--check", "--json"))

    assert code == 1
    assert json.loads(out)["ok"] is False
    assert of_people(out) == [
        {"place": place, "values": 2, "current": 0, "old": 2, "resealed": 0, "unreadable": [], "taken": []}
        for place in ("users.email", "users.name")
    ]
    assert "users.email: 2 values have another key than the first. Run `bizq keys rotate`" in err
    await expect_readable(sql, everybody, BEFORE)
    assert (await result(await start()))[0] == 0
    assert (await result(await start("--check", keys=ring(NEW))))[0] == 0


async def test_rows_that_cannot_be_opened_are_named_without_their_content(start: Start, sql: Sql, add: Add) -> None:
    (known,), (foreign,) = await add(BEFORE), await add(Vault([bytes(range(32))]))

    code, out, err = await result(await start("--json"))

    unreadable = [place["unreadable"] for place in of_people(out)]
    assert code == 1
    assert [[item["row"] for item in place] for place in unreadable] == [[str(foreign.id)]] * 2
    assert f"users.name of {foreign.id} is sealed with the key " in err
    assert known.email not in out + err
    assert foreign.email not in out + err
    await expect_readable_alone(sql, known)


async def test_help_teaches_the_steps_in_their_order(start: Start) -> None:
    _, out, _ = await result(await start("--help"))

    text = " ".join(out.split())
    steps = (
        "bizq keys new",
        "=old,new",
        "=new,old",
        "Run `bizq keys rotate`",
        "5. When everything is current",
        "Backups",
    )
    places = [text.index(step) for step in steps]
    assert places == sorted(places)


async def test_without_a_key_it_is_named(start: Start) -> None:
    code, out, err = await result(await start(keys=""))

    assert (code, out) == (1, "")
    assert err.startswith("error BIZQ_ENCRYPTION_KEY is not set.")
