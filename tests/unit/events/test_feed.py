import asyncio

import pytest

from app.events.subscription import FeedStopped


async def take(subscription, count):
    async with asyncio.timeout(5):
        return [await subscription.get() for _ in range(count)]


async def test_subscriber_gets_only_what_comes_after_its_start(feed, log, hub):
    old = log.append("a", 3)
    async with feed.subscribe("a") as subscription:
        new = log.append("a", 2)
        hub.wake("events:a")

        assert subscription.start == old[-1].position
        assert await take(subscription, 2) == new


async def test_late_subscriber_starts_where_the_feed_stands(feed, log, hub):
    async with feed.subscribe("a") as first:
        log.append("a", 3)
        await take(first, 3)
        log.append("a", 2, xid=2)
        async with feed.subscribe("a") as second:
            assert second.start == (1, 2)
            hub.wake("events:a")
            assert await take(second, 2) == await take(first, 2) == log.rows[3:]


async def test_entries_arrive_without_any_wake(feed, log):
    async with feed.subscribe("a") as subscription:
        rows = log.append("a", 2)

        assert await take(subscription, 2) == rows


async def test_one_read_serves_all_keys_that_are_due(feed, log, hub, settled):
    async with feed.subscribe("a") as a, feed.subscribe("b") as b, feed.subscribe("c") as c:
        await settled(lambda: {"a", "b", "c"} <= {key for read in log.reads for key in read})
        rows = {key: log.append(key) for key in "abc"}
        log.reads.clear()
        for key in "abc":
            hub.wake(f"events:{key}")

        assert [await take(a, 1), await take(b, 1), await take(c, 1)] == [rows["a"], rows["b"], rows["c"]]
        assert set(log.reads[0]) == {"a", "b", "c"}


async def test_hundred_wakes_cost_few_reads(make_feed, log, hub, settled):
    feed = make_feed(poll_interval=60)
    async with feed.subscribe("a") as subscription:
        await settled(lambda: bool(log.reads))
        log.reads.clear()
        for _ in range(100):
            log.append("a")
            hub.wake("events:a")
        await take(subscription, 100)

        assert len(log.reads) <= 2


async def test_full_page_is_followed_by_the_next_without_a_wake(make_feed, log, hub):
    log.page = 10
    feed = make_feed(poll_interval=60)
    async with feed.subscribe("a") as subscription:
        rows = log.append("a", 95)
        hub.wake("events:a")

        assert await take(subscription, 95) == rows


async def test_page_longer_than_the_queue_reaches_a_quick_subscriber_whole(feed, log, hub):
    async with feed.subscribe("a") as subscription:
        rows = log.append("a", 500)
        hub.wake("events:a")

        assert await take(subscription, 500) == rows


async def test_row_hidden_behind_an_older_transaction_comes_long_before_the_poll(make_feed, log, hub, settled):
    feed = make_feed(poll_interval=60)
    log.horizon = 5
    async with feed.subscribe("a") as subscription:
        rows = log.append("a", 1, xid=7)
        await settled(lambda: len(log.reads) == 1)
        log.reads.clear()
        hub.wake("events:a")
        await settled(lambda: len(log.reads) == 3)
        log.horizon = 8

        async with asyncio.timeout(0.5):
            assert await subscription.get() == rows[0]


async def test_nothing_is_lost_while_the_log_cannot_be_read(feed, log, hub, settled):
    async with feed.subscribe("a") as subscription:
        log.failing = True
        rows = log.append("a", 3)
        log.reads.clear()
        hub.wake("events:a")
        await settled(lambda: len(log.reads) >= 3)
        log.failing = False

        assert await take(subscription, 3) == rows


async def test_every_first_subscriber_hears_that_the_head_cannot_be_read(feed, log, settled):
    async def subscribe():
        async with feed.subscribe("a"):
            pass

    log.failing = True
    results = await asyncio.gather(subscribe(), subscribe(), return_exceptions=True)

    assert [type(result) for result in results] == [ConnectionError, ConnectionError]
    log.failing = False
    await subscribe()
    assert feed.keys == frozenset()


async def test_cancelled_first_subscriber_does_not_take_the_second_along(feed, log, hub):
    async def first():
        async with feed.subscribe("a"):
            await asyncio.Event().wait()

    task = asyncio.create_task(first())
    await asyncio.sleep(0)
    task.cancel()
    async with feed.subscribe("a") as subscription:
        rows = log.append("a")

        assert await take(subscription, 1) == rows


async def test_stop_lets_the_rest_be_taken_and_then_ends(feed, log, hub, settled):
    async with feed.subscribe("a") as subscription:
        rows = log.append("a", 3)
        await settled(lambda: subscription.pending == 3)
        await feed.stop()

        assert [entry async for entry in subscription] == rows
        with pytest.raises(FeedStopped):
            await subscription.get()
    with pytest.raises(FeedStopped):
        async with feed.subscribe("a"):
            pass


async def test_thousand_abrupt_leaves_leave_nothing_behind(feed, hub, log, settled):
    async def watch(key):
        async with feed.subscribe(key) as subscription:
            async for _ in subscription:
                pass

    before = asyncio.all_tasks()
    tasks = [asyncio.create_task(watch(f"w{number % 50}")) for number in range(1000)]
    for number, task in enumerate(tasks):
        if number % 100 == 0:
            await asyncio.sleep(0.002)
        task.cancel()
    await asyncio.wait(tasks)

    assert feed.keys == frozenset()
    assert hub.watchers == {}
    await settled(lambda: asyncio.all_tasks() <= before)
