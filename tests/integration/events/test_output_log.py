import asyncio
import time

import pytest

from app.events.output import OutputEntry, OutputLog, OutputLogUnavailable, output_channel


async def test_chunks_come_back_in_order_after_the_id_one_has(redis):
    output = OutputLog(redis)
    first = await output.append("t1", attempt=1, offset=0, text="Grüße, ")
    second = await output.append("t1", attempt=2, offset=7, text="世界")

    assert await output.read_after("t1") == [
        OutputEntry(first, 1, 0, "Grüße, "),
        OutputEntry(second, 2, 7, "世界"),
    ]
    assert await output.read_after("t1", first) == [OutputEntry(second, 2, 7, "世界")]
    assert await output.read_after("t1", second) == []
    assert await output.read_after("unknown") == []


async def test_append_wakes_the_channel_of_its_task(redis, hub):
    async with hub.listen(output_channel("t1")) as wakeups:
        await OutputLog(redis).append("t1", attempt=1, offset=0, text="x")

        async with asyncio.timeout(1):
            await wakeups.wait(60)


async def test_stream_is_bounded_and_goes_after_an_hour(redis, monkeypatch):
    monkeypatch.setattr("app.events.output.KEEP_ENTRIES", 200)
    output = OutputLog(redis)
    for number in range(600):
        await output.append("t1", attempt=1, offset=number, text="x")

    assert 200 <= await redis.xlen("bizq:output:t1") <= 400
    assert 3590 <= await redis.ttl("bizq:output:t1") <= 3600
    assert (await output.read_after("t1"))[-1].offset >= 599 - 400


async def test_outage_is_one_typed_error_within_half_a_second(redis, redis_server):
    output = OutputLog(redis)
    await output.append("t1", attempt=1, offset=0, text="x")
    redis_server.freeze()
    began = time.monotonic()
    with pytest.raises(OutputLogUnavailable):
        await output.append("t1", attempt=1, offset=1, text="y")
    assert time.monotonic() - began < 0.7

    redis_server.kill()
    with pytest.raises(OutputLogUnavailable):
        await output.read_after("t1")
    redis_server.start()
    assert await output.read_after("t1") == []
