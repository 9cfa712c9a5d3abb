import asyncio
import time
from contextlib import AsyncExitStack

from app.events.hub import Hub


async def woken_within(wakeups, seconds):
    began = time.monotonic()
    await wakeups.wait(seconds + 5)
    return time.monotonic() - began < seconds


async def subscribed(redis):
    return {channel.decode() for channel in await redis.pubsub_channels()} - {"bizq:reconnected"}


async def test_fifty_concurrent_first_listeners_all_get_the_wake(hub):
    ready = asyncio.Barrier(51)

    async def listen():
        async with hub.listen("a") as wakeups:
            await ready.wait()
            return await woken_within(wakeups, 2)

    tasks = [asyncio.create_task(listen()) for _ in range(50)]
    await ready.wait()
    await hub.publish("a")

    assert await asyncio.gather(*tasks) == [True] * 50


async def test_wake_between_listen_and_wait_is_kept_and_used_up_by_one_wait(hub, redis):
    async with hub.listen("a") as wakeups:
        assert await redis.publish("a", "") == 1
        await asyncio.sleep(0.05)

        assert await woken_within(wakeups, 0.01)
        began = time.monotonic()
        await wakeups.wait(0.1)
        assert time.monotonic() - began >= 0.09


async def test_listen_begins_only_when_redis_has_acknowledged(hub, redis_server):
    async def listen():
        async with hub.listen("a"):
            pass

    redis_server.freeze()
    listening = asyncio.create_task(listen())
    done, _ = await asyncio.wait([listening], timeout=0.2)
    assert not done
    redis_server.thaw()
    await asyncio.wait_for(listening, 1)


async def test_wakes_reach_only_their_channel_and_every_process(hub, redis_server):
    other = Hub(redis_server.url)
    await other.start()
    async with hub.listen("a") as a, hub.listen("b") as b:
        await other.publish_many(["a", "c"])

        assert await woken_within(a, 1)
        began = time.monotonic()
        await b.wait(0.1)
        assert time.monotonic() - began >= 0.09
    await other.stop()


async def test_next_listener_joins_while_the_last_one_leaves(hub, redis):
    async def come_and_go():
        async with hub.listen("a"):
            await asyncio.sleep(0)

    for _ in range(50):
        leaving = asyncio.create_task(come_and_go())
        await asyncio.sleep(0)
        async with hub.listen("a") as wakeups:
            await leaving
            assert await redis.publish("a", "") == 1
            assert await woken_within(wakeups, 1)


async def test_listener_cancelled_before_its_subscription_stands_harms_nobody(hub, redis):
    async def listen():
        async with hub.listen("a"):
            await asyncio.Event().wait()

    cancelled = asyncio.create_task(listen())
    await asyncio.sleep(0)
    cancelled.cancel()
    async with hub.listen("a") as wakeups:
        await hub.publish("a")
        assert await woken_within(wakeups, 1)


async def test_thousand_abrupt_leaves_leave_no_channel_and_no_task(hub, redis, settled):
    async def listen(number):
        async with hub.listen(f"channel {number % 100}") as wakeups:
            await wakeups.wait(60)

    before = asyncio.all_tasks()
    tasks = [asyncio.create_task(listen(number)) for number in range(1000)]
    for number, task in enumerate(tasks):
        if number % 100 == 0:
            await asyncio.sleep(0.002)
        task.cancel()
    await asyncio.wait(tasks)
    await settled(lambda: asyncio.all_tasks() <= before)
    async with hub.listen("last"):
        assert hub.channels == {"last"}
        assert await subscribed(redis) == {"last"}


async def test_burst_of_wakes_waits_as_one(hub):
    async with hub.listen("a") as wakeups:
        await asyncio.gather(*(hub.publish_many(["a", "b"]) for _ in range(2000)))
        await wakeups.wait(1)
        await asyncio.sleep(0.05)
        await wakeups.wait(0.01)

        began = time.monotonic()
        await wakeups.wait(0.1)
        assert time.monotonic() - began >= 0.09


async def test_stop_wakes_everybody_and_leaves_no_task(redis_server):
    before = asyncio.all_tasks()
    hub = Hub(redis_server.url)
    await hub.start()
    async with AsyncExitStack() as stack:
        listeners = [await stack.enter_async_context(hub.listen(f"c{number % 3}")) for number in range(9)]
        waiting = [asyncio.create_task(wakeups.wait(60)) for wakeups in listeners]
        await asyncio.sleep(0)
        await hub.stop()
        await asyncio.wait_for(asyncio.gather(*waiting), 1)

        assert all(wakeups.closed for wakeups in listeners)
    assert await hub.publish_many(["c0"]) is False
    assert asyncio.all_tasks() == before
