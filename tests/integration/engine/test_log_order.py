"""The order of the log, when transactions overlap as they like."""

import asyncio
from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from app.events.hub import Hub
from app.services.task.log import BEGINNING, LoggedEvent, log_head, task_feed
from app.settings import Settings
from tests.integration.engine.conftest import MakeDesk
from tests.integration.engine.desk import Desk

CANCEL = """WITH changed AS (
    UPDATE tasks SET event_seq = event_seq + 1, event_xid = greatest(event_xid, pg_current_xact_id())
    WHERE id = $1 RETURNING *
) INSERT INTO task_events (task_id, seq, workspace_id, xid, kind, status, attempt)
  SELECT id, event_seq, workspace_id, event_xid, 'PROGRESS', status, attempt FROM changed"""


class Writer:
    """A connection by hand, in one open transaction."""

    def __init__(self, connection: asyncpg.Connection) -> None:
        self.connection = connection

    async def take_a_number(self) -> None:
        await self.connection.execute("BEGIN")
        await self.connection.fetchval("SELECT pg_current_xact_id()")

    async def log_event(self, task_id: UUID) -> None:
        await self.connection.execute(CANCEL, task_id)

    async def commit(self) -> None:
        await self.connection.execute("COMMIT")


@pytest.fixture
async def writers(settings: Settings) -> AsyncIterator[list[Writer]]:
    connections = [await asyncpg.connect(settings.owner_database_url) for _ in range(3)]
    yield [Writer(connection) for connection in connections]
    for connection in connections:
        await connection.close()


async def read_log(desk: Desk, settings: Settings) -> list[LoggedEvent]:
    """All that a reader of the workspace can see now."""
    feed = task_feed(desk.hot, Hub(settings.redis))
    return list(await feed.read_after(desk.tenant.account.workspace_id, BEGINNING))


async def test_turns_in_the_other_order_of_their_numbers_log_in_the_order_of_seq(
    desk: Desk, writers: list[Writer], settings: Settings
) -> None:
    first, second, _ = writers
    task_id = await desk.accept_one()
    await first.take_a_number()
    await second.take_a_number()
    await second.log_event(task_id)
    waiting = asyncio.create_task(first.log_event(task_id))
    await asyncio.sleep(0.05)
    assert not waiting.done()
    await second.commit()
    await waiting
    await first.commit()

    events = await read_log(desk, settings)

    assert [event.position.seq for event in events] == [1, 2, 3]
    assert events == sorted(events, key=lambda event: event.position)
    assert events[1].position.xid == events[2].position.xid


async def test_what_a_late_transaction_logs_is_not_skipped(
    make_desk: MakeDesk, writers: list[Writer], settings: Settings
) -> None:
    desk = await make_desk()
    slow_task, quick_task = await desk.accept(2)
    slow, quick, _ = writers
    await slow.take_a_number()
    await slow.log_event(slow_task)
    await quick.take_a_number()
    await quick.log_event(quick_task)
    await quick.commit()

    while_open = await read_log(desk, settings)
    head = await log_head(desk.hot, desk.tenant.account.workspace_id)
    await slow.commit()
    after = await read_log(desk, settings)

    assert len(while_open) == 2
    assert head == while_open[-1].position
    assert after[: len(while_open)] == while_open
    assert [event.position.task_id for event in after[2:]] == [slow_task, quick_task]


async def test_an_old_reader_hides_nothing_for_ever_and_shows_nothing_early(
    desk: Desk, writers: list[Writer], settings: Settings
) -> None:
    old, writer, _ = writers
    task_id = await desk.accept_one()
    await old.take_a_number()
    await writer.take_a_number()
    await writer.log_event(task_id)
    await writer.commit()
    assert [event.position.seq for event in await read_log(desk, settings)] == [1]

    await old.commit()

    assert [event.position.seq for event in await read_log(desk, settings)] == [1, 2]


async def test_the_log_of_a_workspace_has_nothing_of_another(make_desk: MakeDesk, settings: Settings) -> None:
    mine, other = await make_desk(), await make_desk()
    await other.accept(3)
    (task_id,) = await mine.accept()

    assert [event.position.task_id for event in await read_log(mine, settings)] == [task_id]
