import asyncio
import time
from contextlib import AsyncExitStack

import structlog

from app.events.hub import Hub


async def test_everyone_wakes_within_3_s_of_the_return_of_an_empty_redis(hub, redis_server, settled):
    async with AsyncExitStack() as stack:
        listeners = [await stack.enter_async_context(hub.listen(f"c{number % 20}")) for number in range(200)]
        redis_server.kill()
        await settled(lambda: not hub.connected)
        await asyncio.sleep(1)
        redis_server.start()

        async with asyncio.timeout(3):
            await asyncio.gather(*(wakeups.wait(60) for wakeups in listeners))
        assert hub.connected
        assert await hub.publish_many([f"c{number}" for number in range(20)])
        async with asyncio.timeout(1):
            await asyncio.gather(*(wakeups.wait(60) for wakeups in listeners))


async def test_publish_while_redis_is_down_neither_raises_nor_hangs(hub, redis_server):
    redis_server.kill()
    began = time.monotonic()

    results = await asyncio.gather(*(hub.publish_many([f"c{number}"]) for number in range(100)))
    await hub.publish("a")

    assert results == [False] * 100
    assert time.monotonic() - began < 0.5


async def test_publish_to_a_redis_that_does_not_answer_takes_half_a_second_once(hub, redis_server):
    redis_server.freeze()
    began = time.monotonic()
    assert await hub.publish_many(["a"]) is False
    assert 0.4 < time.monotonic() - began < 0.7

    began = time.monotonic()
    assert await hub.publish_many(["a"]) is False
    assert time.monotonic() - began < 0.6
    redis_server.thaw()


async def test_first_listener_during_an_outage_gets_in_at_once_and_wakes_after_it(hub, redis_server, redis, settled):
    redis_server.kill()
    await settled(lambda: not hub.connected)
    began = time.monotonic()
    async with hub.listen("new") as wakeups:
        assert time.monotonic() - began < 0.1
        redis_server.start()

        async with asyncio.timeout(3):
            await wakeups.wait(60)
        assert await redis.publish("new", "") == 1
        async with asyncio.timeout(1):
            await wakeups.wait(60)


async def test_hub_starts_without_redis_and_connects_when_it_comes(redis_server, settled):
    redis_server.kill()
    hub = Hub(redis_server.url)
    async with asyncio.timeout(1.5):
        await hub.start()
    assert not hub.connected
    redis_server.start()
    await settled(lambda: hub.connected)
    async with hub.listen("a") as wakeups:
        assert await hub.publish_many(["a"])
        async with asyncio.timeout(1):
            await wakeups.wait(60)
    await hub.stop()


async def test_hub_survives_outage_after_outage_and_stops_during_one(hub, redis_server, settled):
    async with hub.listen("a") as wakeups:
        for _ in range(5):
            redis_server.kill()
            await settled(lambda: not hub.connected)
            redis_server.start()
            await settled(lambda: hub.connected)
            await wakeups.wait(1)
        assert await hub.publish_many(["a"])
        async with asyncio.timeout(1):
            await wakeups.wait(60)
        redis_server.kill()
        async with asyncio.timeout(1):
            await hub.stop()


async def test_connection_lost_while_subscribing_is_noticed_at_once(hub, redis_server, settled):
    async def listen(number):
        async with hub.listen(f"c{number}") as wakeups:
            await wakeups.wait(60)

    listeners = [asyncio.create_task(listen(number)) for number in range(20)]
    await asyncio.sleep(0)
    redis_server.kill()

    async with asyncio.timeout(0.5):
        await settled(lambda: not hub.connected)
    redis_server.start()
    async with asyncio.timeout(3):
        await asyncio.gather(*listeners)


async def test_connection_cut_by_the_server_is_made_again(hub, redis):
    async with hub.listen("a") as wakeups:
        await redis.execute_command("CLIENT", "KILL", "TYPE", "pubsub")
        async with asyncio.timeout(3):
            await wakeups.wait(60)

        assert await redis.publish("a", "") == 1
        async with asyncio.timeout(1):
            await wakeups.wait(60)


async def test_silent_connection_is_given_up(hub, redis_server, settled, monkeypatch):
    monkeypatch.setattr("app.events.backend.QUIET_SECONDS", 0.2)
    async with hub.listen("a") as wakeups:
        await hub.publish("a")
        await wakeups.wait(1)
        redis_server.freeze()
        await settled(lambda: not hub.connected)
        redis_server.thaw()

        async with asyncio.timeout(3):
            await wakeups.wait(60)
        assert hub.connected


async def test_outage_is_logged_once_however_often_it_is_noticed(hub, redis_server, settled):
    with structlog.testing.capture_logs() as lines:
        redis_server.kill()
        await settled(lambda: not hub.connected)
        for _ in range(20):
            await hub.publish("a")
            await asyncio.sleep(0.02)
        redis_server.start()
        await settled(lambda: hub.connected)
        await hub.publish("a")

    events = sorted((line["event"], line["dependency"]) for line in lines)
    assert events == [
        ("outage_began", "redis publish"),
        ("outage_began", "redis subscribe"),
        ("outage_ended", "redis publish"),
        ("outage_ended", "redis subscribe"),
    ]
