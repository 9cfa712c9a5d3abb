"""Statements that bring their workspace along: whoever had the connection before leaves nothing behind."""

import asyncio
from collections.abc import AsyncIterator

import asyncpg
import pytest

from app import ids
from app.db.by_id import ById, Kind
from app.db.hot import Hot
from app.principal import Principal
from app.settings import Settings
from tests.integration.conftest import MakeTenant

WORKSPACES = "SELECT id FROM workspaces ORDER BY id"
KIND = Kind("SELECT id, name FROM workspaces WHERE id = ANY ($1::uuid[])")


@pytest.fixture
async def one_connection(settings: Settings) -> AsyncIterator[Hot]:
    hot = Hot(settings.model_copy(update={"bizq_database_pool": 2}))
    await hot.start()
    yield hot
    await hot.close()


@pytest.fixture
async def callers(make_tenant: MakeTenant) -> list[Principal]:
    return [(await make_tenant()).principal for _ in range(3)]


async def test_each_caller_sees_their_own(one_connection: Hot, callers: list[Principal]) -> None:
    turns = callers * 50
    answers = await asyncio.gather(*(one_connection.fetch(caller, WORKSPACES) for caller in turns))

    assert [[row["id"] for row in rows] for rows in answers] == [[caller.workspace_id] for caller in turns]


async def test_nothing_is_left_for_whoever_comes_next(one_connection: Hot, callers: list[Principal]) -> None:
    for caller in callers:
        await one_connection.fetch(caller, WORKSPACES)
        for setting in ("app.workspace_id", "app.user_id"):
            (left,) = await one_connection.call("SELECT current_setting($1, true) AS value", setting)
            assert not left["value"]
        assert await one_connection.call(WORKSPACES) == []


async def test_a_statement_that_fails_leaves_nothing_either(one_connection: Hot, callers: list[Principal]) -> None:
    with pytest.raises(asyncpg.DivisionByZeroError):
        await one_connection.fetch(callers[0], "SELECT id, 1 / $1::integer FROM workspaces", 0)

    assert await one_connection.call(WORKSPACES) == []


@pytest.mark.parametrize(
    "sql",
    [
        "SELECT w.id FROM workspaces w JOIN tasks t ON t.workspace_id = w.id",
        "SELECT count(*) AS n FROM tasks",
        "SELECT w.id, (SELECT count(*) FROM tasks t WHERE t.workspace_id = w.id) AS n FROM workspaces w",
        "SELECT id FROM workspaces UNION ALL SELECT id FROM tasks ORDER BY id",
        "WITH mine AS MATERIALIZED (SELECT id FROM workspaces) SELECT mine.id FROM mine, tasks",
    ],
)
async def test_the_workspace_is_set_before_anything_is_read(
    one_connection: Hot, callers: list[Principal], sql: str
) -> None:
    """The limit is the root of the plan, and what it limits is below."""
    await one_connection.fetch(callers[0], sql)
    limit = "CASE WHEN set_config('a.b', '', true) IS NULL THEN 0 END"
    plan = await one_connection.call(f"EXPLAIN SELECT * FROM ({sql}) AS found LIMIT (SELECT {limit})")

    assert plan[0]["QUERY PLAN"].startswith("Limit")


async def test_rows_by_id_are_asked_for_together(
    one_connection: Hot, callers: list[Principal], monkeypatch: pytest.MonkeyPatch
) -> None:
    sent = list[object]()
    send = one_connection.call

    async def noted(sql: str, *values: object) -> object:
        sent.append(values[0])
        return await send(sql, *values)

    monkeypatch.setattr(one_connection, "call", noted)
    by_id = ById(one_connection)
    mine, other, _ = callers
    unknown = ids.new_id()

    found = await asyncio.gather(
        by_id.load(mine, KIND, mine.workspace_id),
        by_id.load(mine, KIND, mine.workspace_id),
        by_id.load(mine, KIND, unknown),
        by_id.load(other, KIND, mine.workspace_id),
    )

    assert [row["id"] if row is not None else None for row in found] == [
        mine.workspace_id,
        mine.workspace_id,
        None,
        None,
    ]
    assert sent == [[mine.workspace_id, unknown], [mine.workspace_id]]


async def test_who_goes_away_takes_nobody_elses_row_along(one_connection: Hot, callers: list[Principal]) -> None:
    by_id, mine = ById(one_connection), callers[0]
    leaving = asyncio.create_task(by_id.load(mine, KIND, mine.workspace_id))
    staying = asyncio.create_task(by_id.load(mine, KIND, mine.workspace_id))
    await asyncio.sleep(0)
    leaving.cancel()

    assert (await staying or {})["id"] == mine.workspace_id
    assert leaving.cancelled()


async def test_a_failure_is_told_to_each(one_connection: Hot, callers: list[Principal]) -> None:
    by_id, broken = ById(one_connection), Kind("SELECT id, 1 / 0 FROM workspaces WHERE id = ANY ($1::uuid[])")
    failed = await asyncio.gather(
        *(by_id.load(callers[0], broken, ids.new_id()) for _ in range(2)),
        by_id.load(callers[0], broken, callers[0].workspace_id),
        return_exceptions=True,
    )

    assert [type(error) for error in failed] == [asyncpg.DivisionByZeroError] * 3
