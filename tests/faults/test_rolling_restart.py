"""A new version is rolled out under load: each process is replaced by one that was started before it stops."""

import asyncio

from tests.cluster_process import Process
from tests.faults.partner import under
from tests.faults.records import Record, by_task
from tests.faults.site import Site
from tests.faults.watcher import GOING_AWAY, all_received, watching

STOP_SECONDS = 30.0


async def stopped_well(process: Process) -> None:
    process.stop()
    assert await process.wait(STOP_SECONDS) == 0


def handed_back(record: Record) -> int:
    """How often, and each time told so."""
    return sum(event.data.get("reason") == "worker_shutdown" for event in record.events)


async def test_a_rolling_restart_under_load_fails_no_create_and_loses_no_task_or_event(site: Site) -> None:
    load, watchers = site.load(), site.watchers(5)
    await site.cluster.start_worker()

    async with watching(watchers):
        # Longer than a worker waits for what it runs.
        await site.vendor.slow(4, seconds=60)
        running = await site.partner.create_many(4)
        await site.vendor.wait_for(running, attempt=1, outcome="open")
        async with under(load):
            await load.go_on(10)
            for api, worker in zip(site.cluster.apis, site.cluster.workers, strict=True):
                await asyncio.gather(site.cluster.start_api(), site.cluster.start_worker())
                await asyncio.gather(stopped_well(api), stopped_well(worker))
            await load.go_on(10)
        records = await site.records.ended_well([*running, *load.acknowledged.values()])
        await all_received(watchers, sum(len(record.events) for record in records))

    log = by_task(event for record in records for event in record.logged)
    assert [by_task(watcher.received) for watcher in watchers] == [log] * 5
    assert [set(watcher.closes) for watcher in watchers] == [{GOING_AWAY}] * 5
    assert min(handed_back(record) for record in records if record.id in running) >= 1
    assert [record.given_back for record in records] == [handed_back(record) for record in records]
