"""Connections that break while both of their ends live."""

import asyncio

import psutil
from redis import asyncio as redis_asyncio

from tests.cluster_process import ApiProcess
from tests.faults.live_socket import subscribe
from tests.faults.partner import under
from tests.faults.records import by_task
from tests.faults.site import Site
from tests.faults.waiting import until
from tests.faults.watcher import all_received, watching

ABRUPT = 300
FREED_SECONDS = 20.0
# What a process may hold more or less for reasons of its own.
FILES_SPARE = 5


async def test_nothing_is_missed_when_all_connections_to_postgres_and_redis_break(site: Site) -> None:
    load, watchers = site.load(), site.watchers(4)
    await site.vendor.slow(20, seconds=3)

    async with watching(watchers):
        tasks = await site.partner.create_many(20)
        await site.vendor.wait_for(tasks, attempt=1, outcome="open")
        async with under(load):
            await load.go_on(10)
            assert site.cluster.postgres_proxy.drop_all() > 0
            await load.go_on(10)
            assert site.cluster.redis_proxy.drop_all() > 0
            await load.go_on(10)
        records = await site.records.ended_well([*tasks, *load.acknowledged.values()])
        await all_received(watchers, sum(len(record.events) for record in records))

    log = by_task(event for record in records for event in record.logged)
    assert [by_task(watcher.received) for watcher in watchers] == [log] * 4
    assert not any(watcher.closes for watcher in watchers)


async def test_everything_of_300_sockets_that_break_off_is_freed_within_20_seconds(site: Site) -> None:
    _, api = site.cluster.apis
    await subscribe_and_abort(site, api, 40)  # opens what the process keeps open: its connections to the database
    await until(lambda: is_deserted(site, api), "the first sockets are freed", FREED_SECONDS)
    files = psutil.Process(api.pid).num_fds()

    await subscribe_and_abort(site, api, ABRUPT)

    await until(lambda: is_deserted(site, api), "all sockets are freed", FREED_SECONDS)
    assert abs(psutil.Process(api.pid).num_fds() - files) <= FILES_SPARE


async def subscribe_and_abort(site: Site, api: ApiProcess, count: int) -> None:
    """Open so many sockets with a subscription each; when all are there, break them off."""
    sockets = [await subscribe(api.url, site.token) for _ in range(count)]
    for socket in sockets:
        await socket.recv()
    assert len(connections(api)) >= count
    assert await watched_channels(site) == 1
    for socket in sockets:
        socket.transport.abort()
    await asyncio.gather(*(socket.wait_closed() for socket in sockets))


async def is_deserted(site: Site, api: ApiProcess) -> bool:
    """Nobody is connected, and the process listens for nobody's events."""
    return not connections(api) and await watched_channels(site) == 0


def connections(api: ApiProcess) -> list[tuple[str, int]]:
    """Who is connected to its port."""
    sockets = psutil.Process(api.pid).net_connections("tcp")
    return [socket.raddr for socket in sockets if socket.laddr.port == api.port and socket.raddr]


async def watched_channels(site: Site) -> int:
    """Of this workspace, as Redis knows them."""
    client = redis_asyncio.Redis.from_url(site.cluster.redis_url)
    try:
        return len(await client.pubsub_channels(f"*{site.workspace_id}*"))
    finally:
        await client.aclose()
