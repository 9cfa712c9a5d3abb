"""What requests ask of 200,000 tasks goes by indexes, however PostgreSQL plans it.

A statement says itself whose rows it may see (app/db/hot.py), so its plan is made before the workspace is known: for
the values of each call at first, then once for all calls.
"""

from collections.abc import AsyncIterator, Sequence
from typing import Any
from uuid import UUID

import asyncpg
import orjson
import pytest

from app.db.hot import Hot, Row
from app.models import TaskStatus
from app.principal import Principal
from app.services.task import queries
from app.services.task.queries import TaskFilter
from app.services.template import queries as templates
from app.services.worker import queries as workers
from app.settings import Settings
from tests.integration.engine.desk import Desk

WORKSPACES, TASKS_OF_EACH = 100, 2_000
# Of 8 KiB. Twenty rows by an index are some 80; all tasks of one of the workspaces are more than 200.
MOST_BLOCKS = 120
MODES = ("force_custom_plan", "force_generic_plan")


class Noting(Hot):
    """Sends nothing."""

    async def call(self, sql: str, *values: object) -> Sequence[Row]:
        self.sent = sql, values
        return []


@pytest.fixture
async def workspace(desk: Desk) -> AsyncIterator[UUID]:
    """One of a hundred with two thousand tasks each."""
    crowd = await desk.neighbours(WORKSPACES)
    await desk.pile(
        TASKS_OF_EACH,
        *crowd,
        status="(ARRAY['SUCCEEDED', 'SUCCEEDED', 'SUCCEEDED', 'FAILED', 'CANCELED'])[1 + generate_series % 5]",
        finished_at="now()",
    )
    yield crowd[WORKSPACES // 2]
    await desk.clear(*crowd)


async def test_requests_read_a_few_blocks_of_a_large_table(desk: Desk, workspace: UUID, settings: Settings) -> None:
    rows = await desk.rows("SELECT id FROM tasks WHERE workspace_id = :id ORDER BY id LIMIT 20", id=workspace)
    tasks = [row["id"] for row in rows]
    asked: dict[str, tuple[Any, ...]] = {
        "by id": (queries.BY_IDS, tasks[:1]),
        "twenty by id": (queries.BY_IDS, tasks),
        "newest": (queries.NEWEST,),
        "list": queries.page(queries.matching(TaskFilter()), 20, falling=True),
        "list by status": queries.page(queries.matching(TaskFilter(statuses=(TaskStatus.FAILED,))), 20, falling=True),
        "workers": (workers.BY_IDS, tasks),
        "templates": (templates.BY_IDS, tasks),
        "versions": (templates.VERSIONS_BY_IDS, tasks),
    }
    blocks = {}
    for name, (sql, *values) in asked.items():
        noting = Noting(settings)
        await noting.fetch(Principal.system(workspace), sql, *values)
        for mode in MODES:
            blocks[name, mode] = await blocks_of(settings, mode, *noting.sent)

    assert {asked: count for asked, count in blocks.items() if not 0 < count <= MOST_BLOCKS} == {}


async def blocks_of(settings: Settings, mode: str, sql: str, values: Sequence[object]) -> int:
    """How many blocks a call of the service's own role looks at, in the buffers or on the disk."""
    connection = await asyncpg.connect(settings.app_database_url)
    try:
        await connection.execute(f"SET plan_cache_mode = {mode}")
        await connection.execute(f"PREPARE asked AS {sql}")
        given = f"({', '.join(map(literal, values))})" if values else ""
        told = await connection.fetchval(f"EXPLAIN (ANALYZE, BUFFERS, FORMAT JSON) EXECUTE asked{given}")
    finally:
        await connection.close()
    plan = orjson.loads(told)[0]["Plan"]
    return int(plan["Shared Hit Blocks"] + plan["Shared Read Blocks"])


def literal(value: object) -> str:
    if isinstance(value, list):
        return f"'{{{','.join(map(str, value))}}}'"
    return f"'{orjson.dumps(value).decode()}'" if isinstance(value, dict) else f"'{value}'"
