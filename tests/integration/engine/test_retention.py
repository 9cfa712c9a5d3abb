"""History is kept in partitions, made ahead and dropped when it is old."""

import asyncio
from collections.abc import AsyncIterator
from datetime import UTC, datetime, timedelta

import pytest

from app.services.task import schedule
from app.services.task.log import Cursor, Position
from tests.integration.engine.desk import Desk
from tests.integration.graphql_client import Socket
from tests.integration.streams.watching import watch

PARTITIONS = """SELECT c.relname AS name FROM pg_inherits i JOIN pg_class c ON c.oid = i.inhrelid
    WHERE i.inhparent = cast(:parent AS regclass) ORDER BY c.relname"""
KEEP = {"events": timedelta(days=30), "attempts": timedelta(days=90)}


async def partitions(desk: Desk, parent: str) -> list[str]:
    return [row["name"] for row in await desk.rows(PARTITIONS, parent=parent)]


@pytest.fixture
async def old_event(desk: Desk) -> AsyncIterator[str]:
    """A task's event of 60 days ago; gives the name of its partition."""
    task_id = await desk.accept_one()
    await desk.change(
        "SELECT add_partitions('task_events', 'week', now() - interval '60 days', now() - interval '60 days')"
    )
    await desk.change(
        "INSERT INTO task_events (task_id, seq, workspace_id, xid, kind, status, attempt, data, at) "
        "SELECT task_id, 0, workspace_id, xid, kind, status, attempt, data, now() - interval '60 days' "
        "FROM task_events WHERE task_id = :id",
        id=task_id,
    )
    monday = datetime.now(UTC) - timedelta(days=60)
    yield f"task_events_{monday - timedelta(days=monday.weekday()):%Y%m%d}"
    await schedule.keep_history(desk.engine, **KEEP)


async def test_partitions_are_there_for_the_coming_weeks(desk: Desk) -> None:
    await schedule.keep_history(desk.engine, **KEEP)
    weeks, months = await partitions(desk, "task_events"), await partitions(desk, "task_attempts")

    now = datetime.now(UTC)
    wanted = now + timedelta(weeks=4)
    assert f"task_events_{wanted - timedelta(days=wanted.weekday()):%Y%m%d}" in weeks
    assert f"task_attempts_{now:%Y%m}01" in months
    assert len(months) >= 3
    await schedule.keep_history(desk.engine, **KEEP)
    assert (await partitions(desk, "task_events"), await partitions(desk, "task_attempts")) == (weeks, months)


async def test_what_is_older_than_it_is_kept_is_dropped(desk: Desk, old_event: str) -> None:
    assert await schedule.keep_history(desk.engine, events=timedelta(days=90), attempts=timedelta(days=90)) == 0
    assert old_event in await partitions(desk, "task_events")

    dropped = await asyncio.gather(*(schedule.keep_history(desk.engine, **KEEP) for _ in range(2)))

    assert sum(dropped) == 1
    assert old_event not in await partitions(desk, "task_events")


async def test_a_long_reader_makes_the_drop_give_up_and_nobody_wait(desk: Desk, old_event: str) -> None:
    async with desk._owner.connect() as reader:
        await reader.exec_driver_sql("SELECT count(*) FROM task_events")
        with pytest.raises(Exception, match="lock timeout"):
            await schedule.keep_history(desk.engine, **KEEP)
        async with asyncio.timeout(5):
            task_id = await desk.accept_one()

    assert await desk.kinds(task_id) == ["CREATED"]
    assert old_event in await partitions(desk, "task_events")


async def test_a_cursor_older_than_the_window_is_answered_with_a_gap(desk: Desk, socket: Socket) -> None:
    task_id = await desk.accept_one()
    long_ago = Cursor(Position(1, task_id, 1), datetime.now(UTC) - timedelta(hours=73)).encode()

    event = await (await watch(socket, task_id, after=long_ago)).next()

    assert (event["kind"], event["gap"], event["seq"]) == ("SNAPSHOT", True, 1)
