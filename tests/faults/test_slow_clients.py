"""Clients that subscribe and do not read: they cost little, and others do not notice."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from statistics import median

import orjson
import psutil
import websockets

from tests.faults.event_source import write_events
from tests.faults.live_socket import subscribe
from tests.faults.reader_process import reading
from tests.faults.site import Site
from tests.faults.waiting import PATIENCE_SECONDS

SLOW, QUICK = 100, 3
EVENTS_PER_SECOND, SECONDS = 1_000, 20
EVENTS = EVENTS_PER_SECOND * SECONDS
MOST_GROWTH_BYTES = 64 * 1024 * 1024
MOST_P95_SECONDS = 0.25


async def test_a_hundred_clients_that_do_not_read_cost_little_and_delay_nobody(site: Site) -> None:
    # A new process: one that has worked before has memory to spare.
    api = await site.cluster.start_api()
    memory = psutil.Process(api.pid).memory_info
    grown = 0

    async with not_reading(api.url, site.token) as slow, reading(api.url, site.token, QUICK, EVENTS) as readers:
        before = memory().rss

        def measure() -> None:
            nonlocal grown
            grown = max(grown, memory().rss - before)

        urls = site.cluster.owner_url, site.cluster.redis_url
        await write_events(*urls, site.workspace_id, rate=EVENTS_PER_SECOND, seconds=SECONDS, at_each_tick=measure)
        figures = await readers.figures(PATIENCE_SECONDS)
        measure()
        tasks = await read_on(slow[0], api.url, site.token)

    assert figures["events"] == figures["tasks"] == [EVENTS] * QUICK
    assert (len(tasks), len(set(tasks))) == (EVENTS, EVENTS)
    assert grown <= MOST_GROWTH_BYTES
    # The machine may stand still for a moment, as when it writes to its disk: not the service's doing.
    assert median(figures["p95"]) < MOST_P95_SECONDS, figures["p95"]


@asynccontextmanager
async def not_reading(url: str, token: str) -> AsyncIterator[list[websockets.ClientConnection]]:
    """They stop reading after the first message."""
    slow = [await subscribe(url, token, room=1) for _ in range(SLOW)]
    try:
        yield slow
    finally:
        for socket in slow:
            socket.transport.abort()


async def read_on(socket: websockets.ClientConnection, url: str, token: str) -> list[str]:
    """The tasks of all events, of this socket and, where the service has given it up, of its successor."""
    tasks: list[str] = []
    cursor = None
    while len(tasks) < EVENTS:
        try:
            event = orjson.loads(await socket.recv(decode=False))["payload"]["data"]["taskEvents"]
        except websockets.ConnectionClosed:
            socket = await subscribe(url, token, cursor)
            continue
        cursor = event["cursor"]
        if event["kind"] != "SNAPSHOT":
            tasks.append(event["task"]["id"])
    return tasks
