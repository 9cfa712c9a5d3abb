from collections.abc import AsyncIterator

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.db.engine import sqlalchemy_url
from app.db.vault import Vault
from app.services.billing.verify import verify
from app.services.seed.load import Plan, SeedReport, seed
from app.settings import Settings
from tests.integration.cli.conftest import Bizq

TASKS = 6_000


@pytest.fixture(scope="module")
async def owner(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(sqlalchemy_url(settings.owner_database_url))
    yield engine
    await engine.dispose()


@pytest.fixture(scope="module")
async def report(settings: Settings, vault: Vault) -> SeedReport:
    return await seed(settings.owner_database_url, vault, Plan(3, TASKS, queued=0), lambda _: None)


async def count(owner: AsyncEngine, report: SeedReport, condition: str) -> int:
    """Tasks of the set for which the condition on `t`, its events `e` and its attempts `a` holds."""
    query = f"""
        SELECT count(*) FROM tasks t
        LEFT JOIN LATERAL (SELECT count(*) AS events, max(seq) AS seq, max(xid::text::bigint) AS xid,
            (array_agg(status ORDER BY seq DESC))[1] AS status FROM task_events WHERE task_id = t.id) e ON true
        LEFT JOIN LATERAL (SELECT count(*) AS attempts, coalesce(sum(cost_micros), 0) AS cost
            FROM task_attempts WHERE task_id = t.id) a ON true
        WHERE t.workspace_id = ANY (:workspaces) AND ({condition})"""
    async with owner.connect() as connection:
        workspaces = [item.workspace_id for item in report.workspaces]
        found: int = (await connection.execute(text(query), {"workspaces": workspaces})).scalar_one()
    return found


async def test_every_task_is_there_with_its_log_and_attempts(owner: AsyncEngine, report: SeedReport) -> None:
    assert await count(owner, report, "true") == TASKS == sum(item.tasks for item in report.workspaces)
    whole = "t.event_seq = e.events AND t.event_seq = e.seq AND t.event_xid::text::bigint = e.xid"
    assert await count(owner, report, f"{whole} AND t.status = e.status") == TASKS
    assert await count(owner, report, "t.attempt = a.attempts AND t.spent_micros = a.cost") == TASKS


async def test_the_ledger_of_every_set_is_sound_and_tells_of_its_tasks(owner: AsyncEngine, report: SeedReport) -> None:
    for item in report.workspaces:
        verified = await verify(owner, item.workspace_id, lambda *_: None)
        assert verified is not None
        assert (verified.breaks, verified.workspaces) == ([], 1)
    query = """SELECT e.kind, count(*) FROM ledger_entries e WHERE e.workspace_id = :workspace GROUP BY 1"""
    async with owner.connect() as connection:
        rows = await connection.execute(text(query), {"workspace": report.workspaces[0].workspace_id})
        kinds = {row.kind: row.count for row in rows}
    assert set(kinds) == {"GRANT", "RESERVE", "SETTLE", "RELEASE", "PROVIDER_COST"}
    # A local model costs nothing, so nothing is held for it.
    assert kinds["RELEASE"] == kinds["RESERVE"] < report.workspaces[0].tasks
    assert kinds["SETTLE"] == kinds["PROVIDER_COST"] > 0.7 * kinds["RESERVE"]


async def test_nothing_is_left_to_be_done(owner: AsyncEngine, report: SeedReport) -> None:
    assert await count(owner, report, "t.status IN ('QUEUED', 'RUNNING', 'SCHEDULED', 'WAITING')") == 0


async def test_a_second_set_is_added_to_the_first(settings: Settings, vault: Vault, report: SeedReport) -> None:
    progress: list[int] = []

    second = await seed(settings.owner_database_url, vault, Plan(2, 5, queued=0), progress.append)

    assert second.set_number == report.set_number + 1
    assert progress == [5]
    assert {item.workspace_id for item in second.workspaces}.isdisjoint(item.workspace_id for item in report.workspaces)


async def test_each_printed_key_opens_its_workspace(bizq: Bizq, settings: Settings) -> None:
    assert settings.bizq_encryption_key is not None
    given = {
        "DATABASE_URL": settings.app_database_url,
        "DATABASE_OWNER_URL": settings.owner_database_url,
        "BIZQ_ENCRYPTION_KEY": settings.bizq_encryption_key.get_secret_value(),
    }

    seeded = await bizq("seed", "--workspaces", "2", "--tasks", "40", "--queued", "2", "--json", **given)

    assert seeded.code == 0
    for workspace in seeded.json["workspaces"]:
        page = (await bizq("task", "list", "--limit", "100", "--json", BIZQ_API_KEY=workspace["apiKey"])).json
        assert len(page["tasks"]) == workspace["tasks"]
    assert seeded.err.startswith(f"set {seeded.json['set']}: 40 tasks in ")


async def test_more_queued_than_tasks_is_refused(bizq: Bizq, settings: Settings) -> None:
    result = await bizq("seed", "--tasks", "3", "--queued", "4", DATABASE_URL=settings.app_database_url)

    assert (result.code, result.err) == (1, "error --queued is 4, more than --tasks, which is 3.\n")
