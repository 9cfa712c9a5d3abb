"""History comes in partitions: made ahead, dropped when they are old enough, in nobody's way."""

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import UTC, date, datetime, timedelta
from uuid import UUID

import asyncpg
import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from app.actors.scheduler import Scheduler
from app.services.task import schedule
from app.settings import Settings
from tests.integration.engine.desk import Desk
from tests.integration.graphql_client import Gql, Socket
from tests.integration.streams.watching import history, watch

PARTITIONS = """SELECT c.relname FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = cast(:parent AS regclass) ORDER BY 1"""
ADD = "SELECT add_partitions('task_events', 'week', now() - interval '60 days', now() - interval '50 days')"
DAYS_30, DAYS_90 = timedelta(days=30), timedelta(days=90)


async def partitions(desk: Desk, parent: str) -> list[str]:
    return [row["relname"] for row in await desk.rows(PARTITIONS, parent=parent)]


async def keep(desk: Desk, *, events: timedelta = DAYS_30) -> int:
    """How many were dropped; attempts are kept for 90 days."""
    return await schedule.keep_history(desk.engine, events=events, attempts=DAYS_90)


def week_of(moment: datetime) -> str:
    monday: date = (moment - timedelta(days=moment.weekday())).date()
    return f"task_events_{monday:%Y%m%d}"


def old_weeks() -> list[str]:
    """Every partition that covers 60 to 50 days ago."""
    now = datetime.now(UTC)
    return sorted({week_of(now - timedelta(days=days)) for days in range(50, 61)})


@pytest.fixture
async def old_event(desk: Desk) -> AsyncIterator[UUID]:
    """A task of 55 days ago, of which one event is left; afterwards history is as it was."""
    task_id = await desk.accept_one()
    await desk.change(ADD)
    move = "UPDATE {} SET {} = now() - interval '55 days' WHERE {} = :id"
    await desk.change(move.format("task_events", "at", "task_id"), id=task_id)
    await desk.change(move.format("tasks", "created_at", "id"), id=task_id)
    yield task_id
    await keep(desk)


@asynccontextmanager
async def reading(settings: Settings, sql: str) -> AsyncIterator[asyncpg.Connection]:
    """A transaction that has read and stays open."""
    connection = await asyncpg.connect(settings.owner_database_url)
    try:
        async with connection.transaction():
            await connection.fetch(sql)
            yield connection
    finally:
        await connection.close()


async def test_partitions_are_made_ahead_and_only_once(desk: Desk) -> None:
    await keep(desk)
    events, attempts = await partitions(desk, "task_events"), await partitions(desk, "task_attempts")
    now = datetime.now(UTC)

    assert {week_of(now + timedelta(weeks=ahead)) for ahead in range(5)} <= set(events)
    first = now.replace(day=1)
    months = [f"task_attempts_{first + timedelta(days=31 * ahead):%Y%m}01" for ahead in range(3)]
    assert set(months) <= set(attempts)
    assert await keep(desk) == 0
    assert (await partitions(desk, "task_events"), await partitions(desk, "task_attempts")) == (events, attempts)


async def test_what_is_old_enough_is_dropped_and_nothing_else(desk: Desk, old_event: UUID) -> None:
    recent = await desk.accept_one()
    before = await partitions(desk, "task_events")
    assert set(old_weeks()) <= set(before)

    assert await keep(desk, events=DAYS_90) == 0
    assert await desk.kinds(old_event) == ["CREATED"]
    assert await keep(desk) == len(old_weeks())

    assert await partitions(desk, "task_events") == [name for name in before if name not in old_weeks()]
    assert (await desk.kinds(old_event), await desk.kinds(recent)) == ([], ["CREATED"])


async def test_a_task_outlives_its_history(desk: Desk, old_event: UUID, gql: Gql, socket: Socket) -> None:
    await keep(desk)
    assert await history(gql, old_event) == []

    stream = await watch(socket, old_event)
    opening = await stream.next()
    await desk.claim()

    assert (opening["kind"], opening["seq"], opening["task"]["status"]) == ("SNAPSHOT", 1, "QUEUED")
    live = await stream.next()
    assert (live["kind"], live["seq"]) == ("STARTED", 2)


async def test_two_processes_at_once_do_not_fail(desk: Desk, old_event: UUID) -> None:
    dropped = await asyncio.gather(*(keep(desk) for _ in range(4)))

    assert sorted(dropped) == [0, 0, 0, len(old_weeks())]


async def test_a_long_reader_is_not_waited_for_and_holds_up_nobody(
    desk: Desk, old_event: UUID, settings: Settings
) -> None:
    async with reading(settings, "SELECT count(*) FROM task_events WHERE at > now() - interval '1 hour'"):
        began = time.monotonic()
        dropping = asyncio.create_task(_try_to_keep(desk))
        await asyncio.sleep(0.1)
        async with asyncio.timeout(2):
            task_id = await desk.accept_one()
            assert task_id in {task["id"] for task in await desk.claim()}
        await dropping

        assert time.monotonic() - began < 1.5
        assert set(old_weeks()) <= set(await partitions(desk, "task_events"))
    assert await keep(desk) == len(old_weeks())


async def _try_to_keep(desk: Desk) -> None:
    """It may drop nothing, or say lock_not_available."""
    try:
        assert await keep(desk) == 0
    except DBAPIError as error:
        assert getattr(error.orig, "sqlstate", None) == "55P03"


async def test_a_reader_in_the_way_of_a_drop_does_not_keep_old_keys_alive(
    desk: Desk, old_event: UUID, settings: Settings, service_settings: Settings, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.actors.scheduler.HOUSEKEEPING_SECONDS", 0.05)
    workspace = desk.tenant.account.workspace_id
    await desk.change(
        "INSERT INTO idempotency_keys (workspace_id, key, fingerprint, created_at) "
        "VALUES (:id, 'old', '', now() - interval '25 hours')",
        id=workspace,
    )
    scheduler = Scheduler(desk.engine, desk.unit_of_work, service_settings, lambda: None)
    async with reading(settings, "SELECT count(*) FROM task_events WHERE at > now() - interval '1 hour'"):
        scheduler.start()
        left = "SELECT key FROM idempotency_keys WHERE workspace_id = :id"
        try:
            async with asyncio.timeout(5):
                while await desk.rows(left, id=workspace):  # noqa: ASYNC110 no event for it
                    await asyncio.sleep(0.1)
        finally:
            await scheduler.stop()


@pytest.mark.parametrize(("hours", "first_kind"), [(73, "SNAPSHOT"), (71, "STARTED")])
async def test_a_cursor_from_before_the_last_72_hours_tells_of_a_gap(
    desk: Desk, gql: Gql, socket: Socket, hours: int, first_kind: str
) -> None:
    task_id = await desk.accept_one()
    await desk.change("SELECT add_partitions('task_events', 'week', now() - interval '73 hours', now())")
    move = "UPDATE {} SET {} = now() - make_interval(hours => :hours) WHERE {} = :id"
    await desk.change(move.format("task_events", "at", "task_id"), hours=hours, id=task_id)
    await desk.change(move.format("tasks", "created_at", "id"), hours=hours, id=task_id)
    (created,) = await history(gql, task_id)
    await desk.claim()

    first = await (await watch(socket, task_id, after=created["cursor"])).next()

    assert (first["kind"], first["seq"], first["gap"]) == (first_kind, 2, first_kind == "SNAPSHOT")


@pytest.mark.parametrize("parent", ["task_events", "task_attempts"])
async def test_the_service_cannot_read_a_partition_past_its_parent(desk: Desk, parent: str) -> None:
    await keep(desk)
    for name in await partitions(desk, parent):
        for sql in (f"SELECT * FROM {name}", f"DELETE FROM {name}"):
            async with desk.engine.connect() as connection:
                with pytest.raises(DBAPIError) as refused:
                    await connection.execute(text(sql))
            assert getattr(refused.value.orig, "sqlstate", None) == "42501"


@pytest.mark.parametrize(
    "call",
    ["add_partitions('task_events', 'week', now(), now())", "drop_partitions('task_events', 'week', now())"],
)
async def test_the_service_cannot_add_or_drop_partitions_itself(desk: Desk, call: str) -> None:
    async with desk.engine.connect() as connection:
        with pytest.raises(DBAPIError) as refused:
            await connection.execute(text(f"SELECT {call}"))
    assert getattr(refused.value.orig, "sqlstate", None) == "42501"
