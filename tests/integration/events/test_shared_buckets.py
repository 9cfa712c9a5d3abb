"""Token buckets in a Redis that comes and goes, and what a process does meanwhile."""

import asyncio
import time
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from redis.asyncio import Redis
from redis_process import RedisProcess

from app.events.shared_buckets import BucketsUnavailable, SharedBuckets
from app.events.token_bucket import Bucket
from app.services.limit.limiter import Limiter

BUCKET = Bucket("bizq:rate:{w}", 100, 600_000)
Settled = Callable[[Callable[[], bool]], Any]


@pytest.fixture
async def buckets(redis_server: RedisProcess) -> AsyncIterator[SharedBuckets]:
    buckets = SharedBuckets(redis_server.url)
    await buckets.start()
    yield buckets
    await buckets.stop()


async def took(limiter: Limiter, points: int) -> tuple[bool, float]:
    """Whether the points were there, and how long it took to know, in seconds."""
    began = time.monotonic()
    taken = await limiter.take((BUCKET,), points)
    return taken.wait == 0, time.monotonic() - began


async def test_many_who_ask_at_once_get_their_own_answers(buckets: SharedBuckets) -> None:
    taken = await asyncio.gather(*(buckets.take((BUCKET,), 1) for _ in range(150)))

    assert [one.wait == 0 for one in taken] == [True] * 100 + [False] * 50


async def test_what_is_given_back_is_there_for_the_next(buckets: SharedBuckets) -> None:
    await buckets.take((BUCKET,), 100)

    buckets.give_back((BUCKET,), 40)

    assert (await buckets.take((BUCKET,), 40)).wait == 0
    assert (await buckets.take((BUCKET,), 40)).wait > 0


async def test_a_caller_who_leaves_takes_nothing_from_the_others(buckets: SharedBuckets) -> None:
    leaving = asyncio.create_task(buckets.take((BUCKET,), 1))
    staying = asyncio.create_task(buckets.take((BUCKET,), 1))
    await asyncio.sleep(0)

    leaving.cancel()

    assert (await staying).wait == 0


async def test_a_process_counts_by_itself_while_redis_is_away(
    buckets: SharedBuckets, redis_server: RedisProcess, settled: Settled
) -> None:
    limiter = Limiter(buckets)
    assert (await took(limiter, 100))[0]

    redis_server.kill()
    first = await took(limiter, 60)
    others = [await took(limiter, 10) for _ in range(5)]

    # What it counts itself begins full, and is a limit all the same.
    assert first[0]
    assert [was_there for was_there, _ in others] == [True, True, True, True, False]
    assert first[1] < 0.2
    assert max(seconds for _, seconds in others) < 0.02

    redis_server.start()
    await settled(lambda: buckets.available)
    # Redis came back empty.
    assert (await took(limiter, 100))[0]
    assert not (await took(limiter, 1))[0]


async def test_a_redis_that_hangs_costs_one_request_50_ms(
    buckets: SharedBuckets, redis_server: RedisProcess, settled: Settled
) -> None:
    limiter = Limiter(buckets)
    await took(limiter, 1)

    redis_server.freeze()
    first = await took(limiter, 1)
    others = [await took(limiter, 1) for _ in range(20)]
    redis_server.thaw()

    assert 0.045 < first[1] < 0.25
    assert max(seconds for _, seconds in others) < 0.02
    await settled(lambda: buckets.available)
    assert (await buckets.take((BUCKET,), 1)).wait == 0


async def test_a_redis_that_forgets_the_script_is_told_it_again(
    buckets: SharedBuckets, redis: Redis, settled: Settled
) -> None:
    await redis.script_flush()

    with pytest.raises(BucketsUnavailable):
        await buckets.take((BUCKET,), 1)

    await settled(lambda: buckets.available)
    assert (await buckets.take((BUCKET,), 1)).wait == 0


async def test_it_starts_without_redis_and_finds_it_later(redis_server: RedisProcess, settled: Settled) -> None:
    redis_server.kill()
    buckets = SharedBuckets(redis_server.url)
    await buckets.start()

    assert (await took(Limiter(buckets), 1))[0]
    redis_server.start()
    await settled(lambda: buckets.available)

    assert (await buckets.take((BUCKET,), 100)).wait == 0
    await buckets.stop()
