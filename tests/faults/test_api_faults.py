"""API processes that die, freeze or are told to stop, under clients who go to another."""

import asyncio
from collections.abc import Callable

import httpx
import pytest

from tests.cluster_process import Process
from tests.faults.partner import under
from tests.faults.records import Logged, by_task
from tests.faults.site import Site
from tests.faults.waiting import PATIENCE_SECONDS
from tests.faults.watcher import all_received, watching
from tests.integration.streams.sse import stream
from tests.integration.streams.watching import WORKSPACE_EVENTS, told

DRAIN_SECONDS = 30.0


@pytest.mark.parametrize("fail", [Process.kill, Process.freeze])
async def test_creates_at_a_dead_or_silent_api_are_settled_at_the_other(
    site: Site, fail: Callable[[Process], None]
) -> None:
    broken, _ = site.cluster.apis
    load = site.load()

    async with under(load):
        await load.go_on(20)
        fail(broken)
        await load.go_on(40)
    if broken.alive:
        # What it had not yet read of its sockets, it does now.
        broken.thaw()
        assert (await site.http.get(f"{broken.url}/readyz")).status_code == 200

    assert {key: await site.partner.create(key) for key in load.acknowledged} == load.acknowledged
    await site.records.ended_well(load.acknowledged.values())


async def test_twenty_subscribers_miss_nothing_when_every_api_is_killed(site: Site) -> None:
    await site.vendor.slow(10, seconds=4)
    watchers = site.watchers(15)

    async with watching(watchers):
        tasks = await site.partner.create_many(10)
        of_one = site.watchers(5, task=tasks[0])
        async with watching(of_one):
            for api in site.cluster.apis:
                api.kill()
            await asyncio.gather(site.cluster.start_api(), site.cluster.start_api())
            more = await site.partner.create_many(5)
            records = await site.records.ended_well([*tasks, *more])
            log = await site.logged_by_api()
            await all_received(watchers, len(log))
            await asyncio.gather(*(watcher.is_complete.wait() for watcher in of_one))

    assert by_task(log) == by_task([event for record in records for event in record.logged])
    assert [by_task(watcher.received) for watcher in watchers] == [by_task(log)] * 15
    of_first = by_task(log)[tasks[0]]
    assert [watcher.received for watcher in of_one] == [of_first[watcher.opening :] for watcher in of_one]


async def test_an_event_stream_ended_by_sigterm_goes_on_elsewhere_after_its_last_id(site: Site) -> None:
    api, other = site.cluster.apis
    await site.vendor.slow(5, seconds=2)
    async with httpx.AsyncClient(timeout=PATIENCE_SECONDS) as http:
        async with stream(http, api.url, site.token, WORKSPACE_EVENTS) as events:
            opening = await anext(events)
            tasks = await site.partner.create_many(5)
            first = await anext(events)
            api.stop()
            before = [opening, first, *[event async for event in events]]
        assert {event.event for event in before} == {"next"}
        records = await site.records.ended_well(tasks)
        log = [event for record in records for event in record.logged]
        async with stream(http, other.url, site.token, WORKSPACE_EVENTS, last_id=before[-1].id) as events:
            after = [await anext(events) for _ in range(len(log) - len(before[1:]))]

    assert await api.wait(DRAIN_SECONDS) == 0
    received = told([event.value for event in [*before[1:], *after]])
    assert by_task(Logged(*event) for event in received) == by_task(log)
