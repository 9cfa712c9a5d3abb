"""The two versions of the bucket's arithmetic, on a real Redis and in this process, with times of the test's own."""

from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from redis.asyncio import Redis
from redis_process import RedisProcess

from app.events.client import redis_client
from app.events.token_bucket import REDIS_CLOCK, TAKE, Bucket, LocalBuckets, Taken
from tests.integration.still_clock import UNEXPIRED

GIVEN_CLOCK = "local now = tonumber(ARGV[#ARGV])\n"


@dataclass(frozen=True)
class RedisBuckets:
    redis: Redis

    async def take(self, buckets: list[Bucket], points: int, now: int, script: str = UNEXPIRED) -> Taken:
        sizes = [number for bucket in buckets for number in (bucket.capacity, bucket.window)]
        keys = [bucket.key for bucket in buckets]
        wait, *used = await self.redis.eval(GIVEN_CLOCK + script, len(keys), *keys, points, *sizes, now)  # type: ignore[misc]
        return Taken(wait, tuple(used))


@pytest.fixture(scope="module")
def module_redis(tmp_path_factory: pytest.TempPathFactory) -> object:
    server = RedisProcess(tmp_path_factory.mktemp("redis"))
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def shared(module_redis: RedisProcess) -> AsyncIterator[RedisBuckets]:
    client = redis_client(module_redis.url)
    yield RedisBuckets(client)
    await client.aclose()


BUCKETS = st.builds(
    Bucket,
    st.just("bizq:rate:{w}:k"),
    st.one_of(st.integers(1, 12), st.integers(1, 5_000_000_000)),
    st.integers(1, 600_000),
)
STEPS = st.lists(
    st.tuples(st.one_of(st.integers(0, 3), st.integers(0, 200_000)), st.floats(-0.5, 1.1)), min_size=1, max_size=25
)


@given(bucket=BUCKETS, steps=STEPS)
@settings(max_examples=150, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
async def test_redis_and_this_process_decide_the_same(
    shared: RedisBuckets, bucket: Bucket, steps: list[tuple[int, float]]
) -> None:
    await shared.redis.flushall()
    local, now = LocalBuckets(), 1_700_000_000_000
    whole = Bucket("bizq:rate:{w}", bucket.capacity * 2, bucket.window)
    for later, share in steps:
        now += later
        points = round(share * bucket.capacity)

        assert await shared.take([bucket, whole], points, now) == local.take([bucket, whole], points, now)


async def test_100_points_are_there_at_once_and_the_101st_after_600_ms(shared: RedisBuckets) -> None:
    bucket, now = Bucket("bizq:rate:{a}", 100, 60_000), 1_700_000_000_000

    waits = [(await shared.take([bucket], 1, now)).wait for _ in range(101)]
    assert waits == [0] * 100 + [600]
    assert (await shared.take([bucket], 1, now + 599)).wait == 1
    assert (await shared.take([bucket], 1, now + 600)).wait == 0
    assert (await shared.take([bucket], 50, now + 600)).wait == 30_000
    assert [(await shared.take([bucket], 50, now + 60_600)).wait for _ in range(3)] == [0, 0, 30_000]


async def test_nothing_is_taken_where_one_bucket_has_too_little(shared: RedisBuckets) -> None:
    mine, ours = Bucket("bizq:rate:{b}:m", 10, 60_000), Bucket("bizq:rate:{b}", 5, 60_000)

    assert await shared.take([mine, ours], 6, 1_700_000_000_000) == Taken(12_000, (0, 0))
    assert await shared.redis.keys("bizq:rate:{b}*") == []
    assert await shared.take([mine, ours], 5, 1_700_000_000_000) == Taken(0, (300_000, 300_000))


async def test_a_key_lives_until_its_bucket_is_full_again(shared: RedisBuckets) -> None:
    bucket = Bucket("bizq:rate:{c}", 100, 60_000)

    await shared.take([bucket], 25, 1_700_000_000_000, TAKE)

    assert 14_000 < await shared.redis.pttl(bucket.key) <= 15_000


async def test_the_clock_in_production_is_that_of_redis(shared: RedisBuckets) -> None:
    bucket = Bucket("bizq:rate:{d}", 100, 60_000)

    await shared.redis.eval(REDIS_CLOCK + TAKE, 1, bucket.key, 25, 100, 60_000)  # type: ignore[misc]

    seconds, microseconds = await shared.redis.time()
    _, since = (await shared.redis.get(bucket.key)).split()
    assert 0 <= seconds * 1000 + microseconds // 1000 - int(since) < 10_000


def test_a_process_remembers_a_bounded_number_of_callers() -> None:
    local = LocalBuckets(most=2)
    first, second, third = (Bucket(f"bizq:rate:{{{name}}}", 1, 60_000) for name in "xyz")

    for bucket in (first, second, first, third):
        local.take([bucket], 1, 0)

    assert [local.take([bucket], 1, 0).wait for bucket in (first, third)] == [60_000, 60_000]
    assert local.take([second], 1, 0).wait == 0
