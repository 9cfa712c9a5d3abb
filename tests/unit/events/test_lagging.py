import asyncio
import random
from contextlib import aclosing

import pytest

from app.events.follow import follow
from app.events.subscription import Lagged


async def take(entries, count):
    async with asyncio.timeout(10):
        return [await anext(entries) for _ in range(count)]


async def test_slow_subscriber_is_told_the_last_entry_it_took(make_feed, log, hub, settled):
    feed = make_feed(queue_size=8)
    async with feed.subscribe("a") as slow, feed.subscribe("a") as quick:
        first = log.append("a", 3)
        assert [await quick.get() for _ in range(3)] == first
        assert await slow.get() == first[0]
        for _ in range(4):
            rows = log.append("a", 3)
            assert [await quick.get() for _ in range(3)] == rows

        assert slow.pending == 0
        with pytest.raises(Lagged) as lagged:
            await slow.get()
        assert lagged.value.position == first[0].position


async def test_lagging_subscriber_rejoins_without_gap_or_duplicate(make_feed, log, settled):
    feed = make_feed(queue_size=8)
    async with feed.subscribe("a") as slow:
        missed = log.append("a", 20)
        await settled(lambda: {"a": missed[-1].position} in log.reads)
        with pytest.raises(Lagged) as lagged:
            await slow.get()
        until = feed.rejoin("a", slow)
        live = log.append("a", 5)

        replayed = await feed.read_after("a", lagged.value.position)
        assert [row for row in replayed if row.position <= until] == missed
        assert [await slow.get() for _ in range(5)] == live


async def test_follow_replays_from_a_cursor_and_goes_on_live(feed, log, hub):
    rows = log.append("a", 700)
    async with aclosing(follow(feed, "a", after=rows[99].position)) as entries:
        assert await take(entries, 600) == rows[100:]
        live = log.append("a", 5)
        assert await take(entries, 5) == live


async def test_follow_with_a_cursor_ahead_of_this_process_repeats_nothing(feed, log, settled):
    log.horizon = 5
    log.append("a", 2)
    rows = log.append("a", 3, xid=7)
    async with aclosing(follow(feed, "a", after=rows[1].position)) as entries:
        waiting = asyncio.create_task(anext(entries))
        await settled(lambda: bool(log.reads))
        log.horizon = 8

        assert await waiting == rows[2]


async def test_follow_that_pauses_longer_than_its_queue_gets_everything(make_feed, log, settled):
    feed = make_feed(queue_size=16)
    log.append("a")
    async with aclosing(follow(feed, "a", after=(0, 0))) as entries:
        await take(entries, 1)
        rows = log.append("a", 5000)
        await settled(lambda: {"a": rows[-1].position} in log.reads)

        assert await take(entries, 5000) == rows


async def test_follow_waits_for_a_log_that_cannot_be_read(feed, log, settled):
    rows = log.append("a", 3)
    async with feed.subscribe("a"), aclosing(follow(feed, "a", after=(0, 0))) as entries:
        log.failing = True
        waiting = asyncio.create_task(anext(entries))
        await settled(lambda: log.reads.count({"a": (0, 0)}) >= 2)
        log.failing = False

        assert await waiting == rows[0]
        assert await take(entries, 2) == rows[1:]


async def test_follow_ends_with_the_feed_even_while_it_replays(feed, log):
    rows = log.append("a", 600)
    async with aclosing(follow(feed, "a", after=(0, 0))) as entries:
        head = await take(entries, 10)
        await feed.stop()

        rest = [entry async for entry in entries]
        assert head + rest == rows[: 10 + len(rest)]
        assert len(rest) < 590


@pytest.mark.parametrize("seed", range(4))
async def test_random_log_with_late_rows_reaches_everyone_in_order(make_feed, log, hub, settled, seed):
    chance = random.Random(seed)
    feed = make_feed(queue_size=16)
    log.page, feed.page, log.horizon = 20, 20, 1
    got = {name: [] for name in range(6)}

    async def consume(name):
        key = "ab"[name % 2]
        async with aclosing(follow(feed, key, after=(0, 0))) as entries:
            async for entry in entries:
                got[name].append(entry)
                if name >= 4 and chance.random() < 0.2:
                    await asyncio.sleep(0.002)

    consumers = [asyncio.create_task(consume(name)) for name in got]
    for xid in range(1, 120):
        # The horizon trails by up to three transactions, which become visible together and out of order.
        log.append(chance.choice("ab"), chance.randrange(1, 12), xid=xid + chance.randrange(3))
        log.horizon = max(log.horizon, xid - chance.randrange(3))
        log.failing = chance.random() < 0.1
        hub.wake("events:" + chance.choice("ab"))
        await asyncio.sleep(chance.choice([0, 0, 0.001]))
    log.horizon, log.failing = 1_000_000, False

    expected = {key: log.visible(key, (0, 0)) for key in "ab"}
    await settled(lambda: all(len(got[name]) >= len(expected["ab"[name % 2]]) for name in got))
    await feed.stop()
    await asyncio.gather(*consumers)
    assert all(got[name] == expected["ab"[name % 2]] for name in got)


async def test_who_falls_behind_a_little_costs_no_read_of_the_log(make_feed, log, settled):
    feed = make_feed(queue_size=8, poll_interval=60)
    async with feed.subscribe("a") as slow:
        rows = log.append("a", 20)
        await settled(lambda: {"a": rows[-1].position} in log.reads)
        log.reads.clear()

        assert list(await feed.read_after("a", rows[4].position)) == rows[5:]
        assert log.reads == []
        assert slow.pending == 0


async def test_who_is_behind_what_was_handed_out_last_reads_the_log(make_feed, log, settled, monkeypatch):
    monkeypatch.setattr("app.events.feed.RECENT", 10)
    feed = make_feed(poll_interval=60)
    async with feed.subscribe("a"):
        rows = log.append("a", 20)
        await settled(lambda: {"a": rows[-1].position} in log.reads)

        assert list(await feed.read_after("a", rows[4].position)) == rows[5:]
        assert {"a": rows[4].position} in log.reads
        assert list(await feed.read_after("a", rows[12].position)) == rows[13:]


async def test_what_was_handed_out_is_forgotten_when_its_key_is_quiet(make_feed, log, settled):
    feed = make_feed(poll_interval=0.05)
    async with feed.subscribe("a"):
        rows = log.append("a", 3)
        await settled(lambda: log.reads.count({"a": rows[-1].position}) >= 4)
        log.reads.clear()

        await feed.read_after("a", rows[0].position)

        assert {"a": rows[0].position} in log.reads
