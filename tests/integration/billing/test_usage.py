"""The usage report, by all that it can be broken down by, next to the ledger."""

from datetime import UTC, date, datetime, timedelta
from typing import Any
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.actors.runner import Runner
from app.services.billing import usage
from tests.integration.api.answers import extensions
from tests.integration.billing.conftest import Refresh, Run, Sql
from tests.integration.conftest import Tenant
from tests.integration.graphql_client import Gql

COUNTS = "tasks succeeded failed canceled expired attempts inputTokens cachedInputTokens outputTokens costMicros"
USAGE = f"""query($from: Date, $to: Date, $by: [UsageGroup!]) {{ usage(from: $from, to: $to, groupBy: $by) {{
  from to refreshedAt total {{ {COUNTS} cost }}
  rows {{ day type workerId worker {{ name }} templateId template {{ slug }} provider model {COUNTS} }} }} }}"""
SETTLED = """SELECT coalesce(sum(amount_micros), 0)::bigint FROM ledger_entries WHERE kind = 'SETTLE'
    AND workspace_id = :workspace AND (created_at AT TIME ZONE 'UTC')::date BETWEEN :first AND :last"""
# A task that ended days ago, with its charge and its one call.
PAST_TASK = """WITH task AS (
    INSERT INTO tasks (id, workspace_id, type, status, input, complexity, routing, attempt)
    VALUES (uuidv7(), :workspace, :type, 'SUCCEEDED', '{}', 'NORMAL', '{"provider": "openai", "model": "m"}', 1)
    RETURNING id, workspace_id
), ended AS (
    INSERT INTO task_events (task_id, seq, workspace_id, xid, kind, status, attempt, at)
    SELECT id, 1, workspace_id, pg_current_xact_id(), 'SUCCEEDED', 'SUCCEEDED', 1, :at FROM task
), called AS (
    INSERT INTO task_attempts (
        task_id, number, workspace_id, provider, model, status, input_tokens, started_at, finished_at)
    SELECT id, 1, workspace_id, 'openai', 'm', 'SUCCEEDED', 7, :at, :at FROM task
)
INSERT INTO ledger_entries (workspace_id, seq, kind, debit, credit, amount_micros, available_micros, reserved_micros,
    task_id, hold, attempt, created_at)
SELECT workspace_id, 1000 + :number, 'SETTLE', 'RESERVED', 'REVENUE', :micros, 0, 0, id, 1, 1, :at FROM task"""
REOPEN = "UPDATE usage_progress SET open_from = :at, refreshed_at = NULL"
FORGET = "DELETE FROM usage_days WHERE NOT is_open"


# Of last week and last month, which a young installation has not.
PARTITIONS = """SELECT add_partitions('task_events', 'week', now() - interval '1 week', now()),
    add_partitions('task_attempts', 'month', now() - interval '1 month', now())"""


@pytest.fixture(autouse=True)
async def past(sql: Sql) -> None:
    await sql(PARTITIONS)


async def report(gql: Gql, *by: str, **period: str) -> Any:
    return (await gql(USAGE, by=list(by), **period))["usage"]


def today() -> date:
    return datetime.now(UTC).date()


async def test_total_equals_what_the_ledger_has_settled(
    gql: Gql, tenant: Tenant, worker: Runner, run_task: Run, refresh: Refresh, sql: Sql
) -> None:
    for _ in range(3):
        await run_task()
    await run_task(model="anthropic/claude-opus-5-5")

    await refresh()

    ((settled,),) = await sql(SETTLED, workspace=tenant.account.workspace_id, first=today(), last=today())
    found = await report(gql, "MODEL")
    assert settled > 0
    assert found["total"]["costMicros"] == settled == sum(row["costMicros"] for row in found["rows"])
    assert found["total"]["cost"] == settled / 1_000_000
    assert [(row["provider"], row["tasks"]) for row in found["rows"]] == [("anthropic", 1), ("openai", 3)]


async def test_rows_name_what_they_are_grouped_by_and_nothing_else(
    gql: Gql, worker: Runner, run_task: Run, refresh: Refresh
) -> None:
    await run_task()
    await run_task(type="note.write", input={"text": "x"})

    await refresh()

    found = await report(gql, "TYPE", "TEMPLATE", "DAY", "WORKER")
    shown = [(row["type"], row["template"] and row["template"]["slug"], row["day"]) for row in found["rows"]]
    day = today().isoformat()
    assert shown == [("note.write", None, day), ("text.summarize", "text.summarize", day)]
    assert {(row["workerId"], row["provider"], row["model"]) for row in found["rows"]} == {(None, None, None)}
    assert [(row["tasks"], row["succeeded"], row["attempts"]) for row in found["rows"]] == [(1, 1, 1)] * 2


async def test_without_groups_there_is_one_row_which_is_the_total(gql: Gql) -> None:
    found = await report(gql)

    (row,) = found["rows"]
    assert {name: row[name] for name in COUNTS.split()} == dict.fromkeys(COUNTS.split(), 0)
    assert {name: found["total"][name] for name in COUNTS.split()} == {name: row[name] for name in COUNTS.split()}
    assert (found["from"], found["to"]) == (today().replace(day=1).isoformat(), today().isoformat())


async def test_tokens_are_those_of_all_attempts(
    gql: Gql, tenant: Tenant, worker: Runner, run_task: Run, refresh: Refresh, sql: Sql
) -> None:
    await run_task()
    await refresh()

    (counted,) = await sql(
        """SELECT sum(input_tokens) AS read, sum(output_tokens) AS written, count(*) AS attempts FROM task_attempts
        WHERE workspace_id = :workspace""",
        workspace=tenant.account.workspace_id,
    )
    total = (await report(gql))["total"]
    assert (total["inputTokens"], total["outputTokens"], total["attempts"]) == (
        counted.read,
        counted.written,
        counted.attempts,
    )
    assert counted.read > 0


async def test_days_are_of_utc_and_both_ends_are_included(gql: Gql, tenant: Tenant, refresh: Refresh, sql: Sql) -> None:
    days = [today() - timedelta(days=number) for number in (3, 2, 1)]
    moments = [datetime(day.year, day.month, day.day, tzinfo=UTC) for day in days]
    # The first moment of each day, and the last of the first of them.
    for number, at in enumerate([*moments, moments[1] - timedelta(microseconds=1)]):
        workspace = tenant.account.workspace_id
        await sql(PAST_TASK, workspace=workspace, type="past", at=at, number=number, micros=10**number)
    await sql(FORGET)
    await sql(REOPEN, at=moments[0])

    await refresh()

    found = await report(gql, "DAY", **{"from": days[0].isoformat(), "to": days[1].isoformat()})
    assert [(row["day"], row["tasks"], row["costMicros"]) for row in found["rows"]] == [
        (days[0].isoformat(), 2, 1001),
        (days[1].isoformat(), 1, 10),
    ]
    ((settled,),) = await sql(SETTLED, workspace=tenant.account.workspace_id, first=days[0], last=days[1])
    assert found["total"]["costMicros"] == settled == 1011


async def test_what_is_counted_for_good_outlives_its_events_and_attempts(
    gql: Gql, tenant: Tenant, refresh: Refresh, sql: Sql
) -> None:
    at = datetime.now(UTC) - timedelta(days=2)
    workspace = tenant.account.workspace_id
    await sql(PAST_TASK, workspace=workspace, type="past", at=at, number=0, micros=5)
    await sql(FORGET)
    await sql(REOPEN, at=at - timedelta(hours=1))
    await refresh()
    before = await report(gql, "DAY", "MODEL", **{"from": at.date().isoformat()})
    assert before["total"] | {"tasks": 1, "costMicros": 5, "inputTokens": 7} == before["total"]

    for table in ("task_events", "task_attempts"):
        await sql(f"DELETE FROM {table} WHERE workspace_id = :workspace", workspace=workspace)
    await sql("UPDATE usage_progress SET refreshed_at = NULL")
    await refresh()

    after = await report(gql, "DAY", "MODEL", **{"from": at.date().isoformat()})
    assert (after["rows"], after["total"]) == (before["rows"], before["total"])


async def test_nothing_is_counted_where_nothing_happened(refresh: Refresh, sql: Sql) -> None:
    await refresh()
    await sql("UPDATE usage_progress SET seen_xid = pg_current_xact_id(), refreshed_at = now() - interval '1 minute'")
    (before,) = await sql("SELECT seen_xid::text, open_from, refreshed_at FROM usage_progress")

    await refresh()

    (after,) = await sql("SELECT seen_xid::text, open_from, refreshed_at FROM usage_progress")
    assert tuple(after)[:2] == tuple(before)[:2]
    assert after.refreshed_at > before.refreshed_at


async def test_one_process_at_a_time_counts_and_not_before_the_last_count_is_old(
    engine: AsyncEngine, owner_engine: AsyncEngine, refresh: Refresh, sql: Sql
) -> None:
    await refresh()
    await sql("UPDATE usage_progress SET refreshed_at = now() - interval '1 hour', seen_xid = '1'")
    (before,) = await sql("SELECT refreshed_at FROM usage_progress")
    async with owner_engine.connect() as other:
        await other.exec_driver_sql("SELECT pg_advisory_xact_lock(hashtext('bizq.refresh_usage'))")
        assert await usage.refresh(engine, timedelta(0)) is False
        assert await sql("SELECT refreshed_at FROM usage_progress") == [before]

    await usage.refresh(engine, timedelta(hours=2))

    assert await sql("SELECT refreshed_at FROM usage_progress") == [before]


@pytest.mark.parametrize(
    ("period", "told"),
    [
        ({"from": "2026-02-01", "to": "2026-01-31"}, {"path": ["from"]}),
        ({"from": "2025-01-01", "to": "2026-01-02"}, {"path": ["from"], "limit": 366, "actual": 367}),
        ({"by": ["DAY", "DAY"]}, {"path": ["groupBy"]}),
    ],
)
async def test_wrong_arguments_are_named(gql: Gql, period: dict[str, Any], told: dict[str, Any]) -> None:
    refused = extensions(await gql.raw(USAGE, **period))

    assert {name: refused.get(name) for name in told} == told
    assert refused["code"] == "BAD_USER_INPUT"


async def test_too_many_rows_are_refused_with_their_number(gql: Gql, tenant: Tenant, sql: Sql) -> None:
    await sql(
        """INSERT INTO usage_days (workspace_id, day, type, worker_id, template_id, provider, model, is_open, tasks)
        SELECT :workspace, '2026-01-01', 'type.' || n, :nobody, :nobody, '', '', false, 1
        FROM generate_series(1, 1001) n""",
        workspace=tenant.account.workspace_id,
        nobody=UUID(int=0),
    )
    january = {"from": "2026-01-01", "to": "2026-01-31"}

    refused = extensions(await gql.raw(USAGE, by=["TYPE"], **january))

    assert refused == {"code": "BAD_USER_INPUT", "path": ["groupBy"], "limit": 1000, "actual": 1001}
    assert (await report(gql, "DAY", **january))["total"]["tasks"] == 1001
