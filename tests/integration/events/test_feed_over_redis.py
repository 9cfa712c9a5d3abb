import asyncio
from contextlib import aclosing
from dataclasses import dataclass

import pytest

from app.events.feed import Feed
from app.events.follow import follow


@dataclass(frozen=True)
class Row:
    key: str
    position: tuple[int]


@pytest.fixture
def rows():
    return []


@pytest.fixture
async def feed(hub, rows):
    async def read(positions, page):
        return [row for row in rows if row.key in positions and row.position > positions[row.key]]

    async def head(key):
        return max((row.position for row in rows if row.key == key), default=(0,))

    feed = Feed(hub, read, head, channel_of="events:{}".format, poll_interval=60)
    yield feed
    await feed.stop()


async def test_wake_brings_the_entry_without_waiting_for_the_poll(feed, hub, rows):
    async with feed.subscribe("w") as subscription:
        rows.append(Row("w", (1,)))
        await hub.publish("events:w")

        async with asyncio.timeout(1):
            assert await subscription.get() == rows[0]


async def test_two_hundred_followers_catch_up_within_3_s_of_the_return_of_redis(feed, hub, rows, redis_server, settled):
    async def consume(key):
        async with aclosing(follow(feed, key, after=(0,))) as entries:
            return [await anext(entries) for _ in range(20)]

    consumers = [asyncio.create_task(consume(f"w{number % 10}")) for number in range(200)]
    await settled(lambda: len(hub.channels) == 10)
    redis_server.kill()
    await settled(lambda: not hub.connected)
    await asyncio.sleep(1)
    rows += [Row(f"w{number % 10}", (number,)) for number in range(1, 201)]
    redis_server.start()

    async with asyncio.timeout(3):
        got = await asyncio.gather(*consumers)
    assert got == [[row for row in rows if row.key == f"w{number % 10}"] for number in range(200)]
    assert feed.keys == frozenset()
    await settled(lambda: hub.channels == frozenset())
