"""Redis, which may lose everything at any time."""

import asyncio
from contextlib import AsyncExitStack
from datetime import UTC, datetime, timedelta

from tests.faults.records import Record
from tests.faults.site import Site
from tests.faults.view import View, reading
from tests.faults.waiting import until
from tests.integration.graphql_client import connect

SOCKETS, TASKS_WATCHED = 10, 19  # and the workspace: 20 subscriptions on each socket
AWAY_SECONDS = 2.0
CAUGHT_UP = timedelta(seconds=3)
WORKS_AGAIN = timedelta(seconds=5)
TASK = "query($id: ID!) { task(id: $id) { id } }"


async def test_200_subscriptions_have_everything_3_seconds_after_redis_came_back_empty(site: Site) -> None:
    (worker,) = site.cluster.workers
    async with AsyncExitStack() as stack:
        payload = {"authorization": f"Bearer {site.token}"}
        sockets = [
            await stack.enter_async_context(connect(site.addresses()[number % 2], payload)) for number in range(SOCKETS)
        ]
        workspace = [await View.of_workspace(socket) for socket in sockets]
        # So that the tasks run while Redis is away.
        worker.freeze()
        tasks = await site.partner.create_many(TASKS_WATCHED)
        views = workspace + [await View.of_task(socket, task) for socket in sockets for task in tasks]
        await stack.enter_async_context(reading(views))

        await site.cluster.kill_redis()
        worker.thaw()
        away = await site.partner.create("while Redis is away")
        assert (await site.partner.ask(TASK, id=away))["task"] == {"id": away}
        await asyncio.sleep(AWAY_SECONDS)
        await site.cluster.start_redis()
        returned_at = datetime.now(UTC)
        known = await site.records.all()
        await until(lambda: have(views, known), "every view has what the log had")
        caught_up_at = datetime.now(UTC)

        records = await site.records.ended_well([*tasks, away])
        await until(lambda: have(views, records), "every view has everything")
    assert len(views) == 200
    assert caught_up_at - returned_at < CAUGHT_UP
    assert [view.received for view in views] == [view.expected(records) for view in views]
    assert records[-1].started(1) - returned_at < WORKS_AGAIN


async def have(views: list[View], records: list[Record]) -> bool:
    return not any(view.lacks(records) for view in views)


async def test_a_flush_of_redis_loses_no_task(site: Site) -> None:
    await site.vendor.slow(20, seconds=2)
    tasks = await site.partner.create_many(20)
    await site.vendor.wait_for(tasks, attempt=1, outcome="open")

    await site.cluster.flush_redis()
    more = await site.partner.create_many(20)
    await site.cluster.flush_redis()

    records = await site.records.ended_well([*tasks, *more])
    assert [record.attempts for record in records] == [[(1, "SUCCEEDED")]] * 40


async def test_tasks_that_were_never_announced_begin_within_5_seconds(site: Site) -> None:
    template = await site.partner.create("to copy")
    await site.records.ended_well([template])

    committed_at = await site.records.copy_without_announcing(template, copies=10)

    records = await site.records.ended_well()
    assert len(records) == 11
    assert max(record.started(1) for record in records) - committed_at < WORKS_AGAIN
