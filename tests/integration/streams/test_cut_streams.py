"""A hundred readers of texts that are being written, cut off again and again: each ends with the final text."""

import asyncio
import random
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing
from typing import Any
from uuid import UUID

import httpx

from app.actors.runner import Runner
from app.fakes.faults import Fault, FaultKind
from tests.integration.conftest import Fakes, Tenant
from tests.integration.engine.desk import Desk
from tests.integration.graphql_client import connect
from tests.integration.streams import sse
from tests.integration.streams.watching import Text, public

SEED = 20261123
TASKS, READERS_OF_ONE = 10, 10
MOST_CUTS = 5
WATCH = """subscription($id: ID!, $from: Int! = 0, $attempt: Int) {
  taskOutput(taskId: $id, fromOffset: $from, attempt: $attempt) { attempt offset text reset done } }"""
Chunk = dict[str, Any]
Open = Callable[[UUID, Text], AsyncIterator[Chunk]]


class Reader:
    """Reads on where it was, until the text is complete. `cuts` are the chunks after which its connection breaks."""

    def __init__(self, draw: random.Random) -> None:
        self.text = Text()
        self._cuts = [draw.randint(0, 6) for _ in range(draw.randint(1, MOST_CUTS))]

    async def read(self, task_id: UUID, open_stream: Open) -> str:
        while not self.text.done:
            left = self._cuts.pop() if self._cuts else None
            async with aclosing(open_stream(task_id, self.text)) as chunks:  # type: ignore[type-var]
                async for chunk in chunks:
                    self.text.take(chunk)
                    if self.text.done or left == 0:
                        break
                    left = left - 1 if left is not None else None
        return self.text.value


def over_websockets(api: str, tenant: Tenant) -> Open:
    async def chunks(task_id: UUID, known: Text) -> AsyncIterator[Chunk]:
        async with connect(api, {"authorization": f"Bearer {tenant.api_key}"}) as socket:
            have = {"from": len(known.value), "attempt": known.attempt or None}
            stream = await socket.subscribe(WATCH, id=public(task_id), **have)
            while True:
                yield await stream.next()

    return chunks


def over_sse(api: str, http: httpx.AsyncClient, tenant: Tenant) -> Open:
    async def chunks(task_id: UUID, known: Text) -> AsyncIterator[Chunk]:
        last = f"{known.attempt}.{len(known.value)}" if known.attempt else None
        async with sse.stream(http, api, tenant.api_key, WATCH, last_id=last, id=public(task_id)) as events:
            async for event in events:
                assert event.id == f"{event.value['attempt']}.{event.value['offset'] + len(event.value['text'])}"
                yield event.value

    return chunks


async def test_whatever_is_cut_the_text_put_together_is_the_final_one(
    desk: Desk, api: str, http: httpx.AsyncClient, worker: Runner, fakes: Fakes
) -> None:
    draw = random.Random(SEED)
    for number in range(TASKS):
        # Every third breaks off, and another attempt begins anew.
        if number % 3 == 0:
            fakes.faults.add(Fault("openai", FaultKind.CUT, after=draw.randint(5, 25)))
        fakes.faults.add(Fault("openai", FaultKind.SLOW, delay=draw.uniform(0.01, 0.05)))
    opened = (over_websockets(api, desk.tenant), over_sse(api, http, desk.tenant))
    tasks = await desk.accept(TASKS)
    readers = [(task_id, Reader(draw)) for task_id in tasks for _ in range(READERS_OF_ONE)]
    reading: list[Awaitable[str]] = [
        reader.read(task_id, opened[number % 2]) for number, (task_id, reader) in enumerate(readers)
    ]
    async with asyncio.timeout(90):
        texts = await asyncio.gather(*reading)

    final = {task_id: (await desk.attempts(task_id))[-1]["output_text"] for task_id in tasks}
    assert [(await desk.task(task_id))["status"] for task_id in tasks] == ["SUCCEEDED"] * TASKS
    assert texts == [final[task_id] for task_id, _ in readers]
    assert sum(reader.text.resets for _, reader in readers) > 0
