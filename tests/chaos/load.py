"""Clients that create tasks at a steady rate and repeat each create, with its key, until it is acknowledged."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from tests.chaos.service import NoAnswer, Refused, Service

CLIENTS = 8
CREATES_PER_SECOND = 15.0
IN_FLIGHT_PER_CLIENT = 8
PAUSE_SECONDS = (0.1, 0.6)
MAX_ATTEMPTS = 10
CANCEL_SECONDS = 20.0
# Shares of all tasks.
PRIORITISED, SCHEDULED, CANCELED, REPEATED = 0.2, 0.06, 0.06, 0.05

CREATE = """mutation($input: CreateTaskInput!, $key: String) {
  createTask(input: $input, idempotencyKey: $key) { task { id } replayed errors { code message } } }"""
CANCEL = 'mutation($id: ID!) { cancelTask(id: $id, reason: "chaos") { task { status } errors { code } } }'


@dataclass(frozen=True, slots=True)
class Acknowledged:
    """`workspace` is its index; `latency` and `at` (of the answer, on the monotonic clock) are in seconds."""

    key: str
    task_id: str
    workspace: int
    latency: float
    at: float


@dataclass(frozen=True, slots=True)
class Order:
    """A task to create; `input` never changes, as the key requires."""

    key: str
    input: dict[str, Any]
    cancel_after: float | None
    repeat: bool


@dataclass(slots=True)
class Ledger:
    """What the clients know when they are done."""

    acknowledged: dict[str, Acknowledged] = field(default_factory=dict)
    unanswered: set[str] = field(default_factory=set)
    replayed: int = 0
    contradicted: dict[str, str] = field(default_factory=dict)


class Load:
    """`run` until `stop`; then `finish` waits for what is under way."""

    def __init__(self, services: Sequence[Service], seed: int) -> None:
        self._services = services
        self._seed = seed
        self._stopped = asyncio.Event()
        self._placing: list[asyncio.Task[None]] = []
        self.ledger = Ledger()
        self.begun = self.ended = time.monotonic()

    async def run(self) -> None:
        self.begun = time.monotonic()
        async with asyncio.TaskGroup() as group:
            for number in range(CLIENTS):
                group.create_task(self._client(number))

    def stop(self) -> None:
        self.ended = time.monotonic()
        self._stopped.set()

    async def finish(self, seconds: float) -> None:
        """What is not acknowledged by then stays in the ledger as unanswered."""
        if self._placing:
            await asyncio.wait(self._placing, timeout=seconds)
        await self.close()
        for placing in self._placing:
            if not placing.cancelled():
                placing.result()

    async def close(self) -> None:
        """Give up what is under way."""
        for placing in self._placing:
            placing.cancel()
        await asyncio.gather(*self._placing, return_exceptions=True)

    async def _client(self, number: int) -> None:
        """Not one after another: a client that waited for answers would send least when answers are worst."""
        rng = random.Random(f"{self._seed}/client/{number}")
        workspace = number % len(self._services)
        room = asyncio.Semaphore(IN_FLIGHT_PER_CLIENT)
        interval = CLIENTS / CREATES_PER_SECOND
        due = time.monotonic() + rng.uniform(0, interval)
        count = 0
        while not await self._stopped_by(due):
            await room.acquire()
            count += 1
            placing = asyncio.create_task(self._place(workspace, _order(rng, f"{self._seed}-{number}-{count}"), rng))
            placing.add_done_callback(lambda _: room.release())
            self._placing.append(placing)
            due = max(due + interval, time.monotonic())

    async def _stopped_by(self, due: float) -> bool:
        try:
            await asyncio.wait_for(self._stopped.wait(), max(0.0, due - time.monotonic()))
        except TimeoutError:
            return False
        return True

    async def _place(self, workspace: int, order: Order, rng: random.Random) -> None:
        service, begun = self._services[workspace], time.monotonic()
        self.ledger.unanswered.add(order.key)
        task_id = await self._create(service, order, rng)
        if task_id is None:
            return
        self.ledger.unanswered.discard(order.key)
        now = time.monotonic()
        self.ledger.acknowledged[order.key] = Acknowledged(order.key, task_id, workspace, now - begun, now)
        if order.repeat:
            again = await self._create(service, order, rng)
            if again != task_id:
                self.ledger.contradicted[order.key] = f"{task_id}, then {again}"
        if order.cancel_after is not None:
            await asyncio.sleep(order.cancel_after)
            await self._cancel(service, task_id, rng)

    async def _create(self, service: Service, order: Order, rng: random.Random) -> str | None:
        """The task's id. None where the service refused it, which the tally holds against it."""

        async def once(avoid: str | None) -> str | None:
            answer = await service.ask(rng, CREATE, avoid, input=order.input, key=order.key)
            payload = answer["createTask"]
            codes = [error["code"] for error in payload["errors"]]
            if codes == ["IDEMPOTENCY_IN_PROGRESS"]:
                service.tally.answers["200 IDEMPOTENCY_IN_PROGRESS"] += 1
                raise NoAnswer
            if codes:
                raise service.tally.refuse(f"createTask {order.key}: {payload['errors']}")
            self.ledger.replayed += payload["replayed"]
            return str(payload["task"]["id"])

        return await _until_answered(once, rng)

    async def _cancel(self, service: Service, task_id: str, rng: random.Random) -> None:
        """Not being able to is no violation: it may have ended."""

        async def once(avoid: str | None) -> None:
            await service.ask(rng, CANCEL, avoid, id=task_id)

        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                await _until_answered(once, rng)
        except TimeoutError:
            service.tally.answers["cancelTask given up"] += 1


async def _until_answered(once: Callable[[str | None], Awaitable[str | None]], rng: random.Random) -> str | None:
    """`once` takes the address to avoid, the one that did not answer the last time."""
    avoid: str | None = None
    while True:
        try:
            return await once(avoid)
        except NoAnswer as silence:
            avoid = str(silence) or None
        except Refused:
            return None
        await asyncio.sleep(rng.uniform(*PAUSE_SECONDS))


def _order(rng: random.Random, key: str) -> Order:
    given: dict[str, Any] = {
        "type": "text.summarize",
        "input": {
            "text": f"Order {key}: the storm closed the port for {rng.randint(2, 9)} days. Ships waited outside."
        },
        "metadata": {"key": key},
        "maxAttempts": MAX_ATTEMPTS,
    }
    if rng.random() < PRIORITISED:
        given["priority"] = rng.randint(1, 9)
    if rng.random() < SCHEDULED:
        given["runAt"] = (datetime.now(UTC) + timedelta(seconds=rng.uniform(1, 2))).isoformat()
    cancel_after = rng.uniform(0, 0.5) if rng.random() < CANCELED else None
    return Order(key, given, cancel_after, rng.random() < REPEATED)
