import asyncio
import json
from typing import Any

import pytest
from redis.asyncio import Redis

from app.actors.runner import Runner
from app.fakes.faults import Fault, FaultKind
from app.settings import Settings
from tests.integration.conftest import Fakes
from tests.integration.engine.calls import open_call
from tests.integration.engine.conftest import WorkingWith
from tests.integration.engine.desk import Desk
from tests.integration.engine.scripted import Scripted
from tests.integration.graphql_client import Socket
from tests.integration.streams.watching import TASK_OUTPUT, Text, public


async def written(desk: Desk, task_id: Any) -> str:
    """The text of the last attempt."""
    text: str = (await desk.attempts(task_id))[-1]["output_text"]
    return text


async def test_the_text_arrives_while_it_is_written(desk: Desk, socket: Socket, worker: Runner, fakes: Fakes) -> None:
    fakes.faults.add(Fault("openai", FaultKind.SLOW, delay=0.03))
    task_id = await desk.accept_one()
    chunks = await (await socket.subscribe(TASK_OUTPUT, id=public(task_id))).rest()

    text = Text()
    for chunk in chunks:
        text.take(chunk)
    task = await desk.task(task_id)
    assert (text.value, text.resets, text.done) == (await written(desk, task_id), 0, True)
    assert json.loads(text.value) == task["output"]
    assert len(chunks) > 5
    assert [chunk["done"] for chunk in chunks] == [False] * (len(chunks) - 1) + [True]
    assert {chunk["attempt"] for chunk in chunks} == {1}


async def test_a_reader_that_comes_before_the_work_gets_it_all(
    desk: Desk, socket: Socket, working_with: WorkingWith
) -> None:
    task_id = await desk.accept_one()
    stream = await socket.subscribe(TASK_OUTPUT, id=public(task_id))
    async with working_with(Scripted('{"summary": "Snow, two days."}')):
        text = await Text().read(stream)

    assert json.loads(text.value) == {"summary": "Snow, two days."}
    assert text.resets == 0


async def test_a_reader_that_comes_after_the_end_gets_it_at_once(desk: Desk, socket: Socket, worker: Runner) -> None:
    task_id = await desk.accept_one()
    await desk.ended(task_id)

    whole, end = await (await socket.subscribe(TASK_OUTPUT, id=public(task_id))).rest(1.5)

    text = await written(desk, task_id)
    assert whole == {"attempt": 1, "offset": 0, "text": text, "reset": False, "done": False}
    assert end == {"attempt": 1, "offset": len(text), "text": "", "reset": False, "done": True}


@pytest.mark.parametrize("redis_lost", [False, True])
async def test_a_reader_gets_only_what_it_does_not_have(
    desk: Desk, socket: Socket, worker: Runner, service_settings: Settings, redis_lost: bool
) -> None:
    task_id = await desk.accept_one()
    await desk.ended(task_id)
    text = await written(desk, task_id)
    if redis_lost:
        async with Redis.from_url(service_settings.redis) as redis:
            await redis.flushall()

    rest, end = await (await socket.subscribe(TASK_OUTPUT, id=public(task_id), **{"from": 10})).rest(1.5)
    (nothing_left,) = await (await socket.subscribe(TASK_OUTPUT, id=public(task_id), **{"from": len(text)})).rest()

    assert (rest["offset"], rest["text"], rest["reset"]) == (10, text[10:], False)
    assert end == nothing_left
    assert (end["offset"], end["done"]) == (len(text), True)


async def test_a_reader_that_says_it_has_more_than_there_is_begins_anew(
    desk: Desk, socket: Socket, worker: Runner
) -> None:
    task_id = await desk.accept_one()
    await desk.ended(task_id)

    whole, _ = await (await socket.subscribe(TASK_OUTPUT, id=public(task_id), **{"from": 100_000})).rest()

    assert (whole["offset"], whole["text"], whole["reset"]) == (0, await written(desk, task_id), True)


async def test_readers_that_come_at_any_time_with_what_they_have_all_end_alike(
    desk: Desk, socket: Socket, worker: Runner, fakes: Fakes
) -> None:
    fakes.faults.add(Fault("openai", FaultKind.SLOW, delay=0.05))
    task_id = await desk.accept_one()
    first = await socket.subscribe(TASK_OUTPUT, id=public(task_id))
    known, readers = Text(), []
    for _ in range(5):
        known.take(await first.next())
        stream = await socket.subscribe(TASK_OUTPUT, id=public(task_id), **{"from": len(known.value)})
        readers.append((Text(known.value), stream))
    texts = [await text.read(stream) for text, stream in [(known, first), *readers]]

    assert [text.value for text in texts] == [await written(desk, task_id)] * 6


async def test_a_redis_that_forgets_in_mid_answer_changes_nothing_in_the_end(
    desk: Desk, socket: Socket, worker: Runner, fakes: Fakes, service_settings: Settings
) -> None:
    fakes.faults.add(Fault("openai", FaultKind.SLOW, delay=0.08))
    task_id = await desk.accept_one()
    before = await socket.subscribe(TASK_OUTPUT, id=public(task_id))
    await open_call(fakes)
    known = Text()
    async with Redis.from_url(service_settings.redis) as redis:
        for _ in range(4):
            known.take(await before.next())
        await redis.flushall()
        after = await socket.subscribe(TASK_OUTPUT, id=public(task_id))
        resumed = await socket.subscribe(TASK_OUTPUT, id=public(task_id), **{"from": len(known.value)})
        copy = Text(known.value)
        known.take(await before.next())
        await redis.flushall()
    texts = [await known.read(before), await Text().read(after), await copy.read(resumed)]

    assert [text.value for text in texts] == [await written(desk, task_id)] * 3


@pytest.mark.parametrize("kind", [FaultKind.CUT, FaultKind.OVERLOADED_MIDSTREAM])
async def test_another_attempt_begins_with_a_reset(
    desk: Desk, socket: Socket, worker: Runner, fakes: Fakes, kind: FaultKind, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("app.services.task.lifecycle.BACKOFF_BASE_SECONDS", 1.0)
    fakes.faults.add(Fault("openai", kind, after=20))
    fakes.faults.add(Fault("openai", FaultKind.SLOW, delay=0.02))
    task_id = await desk.accept_one()
    chunks = await (await socket.subscribe(TASK_OUTPUT, id=public(task_id))).rest()

    text = Text()
    for chunk in chunks:
        text.take(chunk)
    assert (text.value, text.attempt) == (await written(desk, task_id), 2)
    assert text.resets == any(chunk["attempt"] == 1 and chunk["text"] for chunk in chunks)


async def test_a_mended_answer_begins_with_a_reset(desk: Desk, socket: Socket, working_with: WorkingWith) -> None:
    hold = asyncio.Event()
    task_id = await desk.accept_one()
    stream = await socket.subscribe(TASK_OUTPUT, id=public(task_id))
    text = Text()
    async with working_with(Scripted("No JSON today.", '{"summary": "Snow."}', hold=hold)):
        while text.value.strip() != "No JSON today.":
            text.take(await stream.next())
        hold.set()
        await text.read(stream)

    assert json.loads(text.value) == {"summary": "Snow."}
    assert (text.resets, text.attempt) == (1, 2)


async def test_a_canceled_task_ends_the_text_where_it_stands(
    desk: Desk, socket: Socket, worker: Runner, fakes: Fakes
) -> None:
    fakes.faults.add(Fault("openai", FaultKind.SLOW, delay=0.1))
    task_id = await desk.accept_one()
    stream = await socket.subscribe(TASK_OUTPUT, id=public(task_id))
    text = Text()
    text.take(await stream.next())
    await desk.change("UPDATE tasks SET cancel_requested_at = now() WHERE id = :id", id=task_id)
    await text.read(stream)

    assert (text.value, text.done) == (await written(desk, task_id), True)
    assert (await desk.task(task_id))["status"] == "CANCELED"


async def test_a_negative_offset_is_refused(desk: Desk, socket: Socket) -> None:
    task_id = await desk.accept_one()
    stream = await socket.subscribe(TASK_OUTPUT, id=public(task_id), **{"from": -1})
    message = await stream.message()

    errors = message["payload"] if message["type"] == "error" else message["payload"]["errors"]
    assert errors[0]["extensions"]["code"] == "BAD_USER_INPUT"
