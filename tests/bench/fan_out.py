"""W5: many watch one workspace, and every event goes to all of them."""

import asyncio
import itertools
import json
import time
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import uvloop

from tests.bench.http_client import BadAnswer, Connection, graphql_request
from tests.bench.job import CREATE, Failures, Outcome, Service, created_id, task_input
from tests.bench.meter import Reading, resident_bytes
from tests.bench.socket_client import SocketFailed, Subscription

WATCH = "subscription { taskEvents { cursor seq kind gap task { id status } } }"
ROUNDS, WARM_UP_ROUNDS = 12, 3
BURST, BURST_CONNECTIONS = 50, 8
CONNECTING = 50
# Memory of a process that has just accepted many is not yet what it will be.
SETTLE_SECONDS = 1.0
_ARRIVE_SECONDS = 30.0


@dataclass(frozen=True, slots=True)
class FanOut:
    """Run it in a process of its own: `FanOut(...)()`.

    Every event is a createTask of a task that is due in a day: one event each, and no worker. First one after the
    other, whose deliveries are timed from the mutation's sending; then a burst, whose deliveries are counted.
    """

    service: Service
    api_key: str
    worker_id: str
    subscribers: int

    def __call__(self) -> Outcome:
        return uvloop.run(self._run())

    async def _run(self) -> Outcome:
        ports = itertools.cycle(self.service.ports)
        creators = [await Connection.open(next(ports)) for _ in range(BURST_CONNECTIONS)]
        crowd = Crowd(creators, self._request)
        await self._wake(crowd.failures, creators)
        before = resident_bytes(self.service.groups["api"])
        began = time.perf_counter()
        await crowd.gather([next(ports) for _ in range(self.subscribers)], self.api_key)
        connect_seconds = time.perf_counter() - began
        await asyncio.sleep(SETTLE_SECONDS)
        grown = resident_bytes(self.service.groups["api"]) - before
        for _ in range(WARM_UP_ROUNDS):
            await crowd.round()
        before_rounds, start = crowd.delivered, Reading.take(self.service.groups)
        latencies = [latency for _ in range(ROUNDS) for latency in await crowd.round()]
        before_burst, began = crowd.delivered, time.perf_counter()
        await crowd.burst(BURST)
        seconds = time.perf_counter() - began
        used = start.until(Reading.take(self.service.groups))
        crowd.check()
        extra = {
            "kib_per_subscriber": grown / 1024 / self.subscribers,
            "connects_per_second": self.subscribers / connect_seconds,
        }
        crowd.leave()
        for connection in creators:
            connection.close()
        rate = (crowd.delivered - before_burst) / seconds
        return Outcome(
            crowd.delivered - before_rounds, used.seconds, rate, used, latencies, crowd.failures.told(), extra=extra
        )

    async def _wake(self, failures: Failures, creators: Sequence[Connection]) -> None:
        """One event to one subscriber of each process: what they take for the first is not what each one costs."""
        few = Crowd(creators, self._request)
        await few.gather(self.service.ports, self.api_key)
        await few.round()
        few.check()
        few.leave()
        for reason in few.failures.told():
            failures.add(reason)

    def _request(self, number: int) -> bytes:
        run_at = (datetime.now(UTC) + timedelta(days=1)).isoformat()
        given = {**task_input(number, self.worker_id), "runAt": run_at}
        return graphql_request(self.api_key, CREATE, {"input": given})


class Crowd:
    """Subscribers of one workspace, and who creates its tasks. `created` are their ids, in the order of the answers."""

    def __init__(self, creators: Sequence[Connection], request: Any) -> None:
        self._creators = creators
        self._request = request
        self.sockets: list[Subscription] = []
        self.created: list[str] = []
        self._expected = self._missing = 0
        self._arrived = asyncio.Event()
        self.failures = Failures()

    @property
    def delivered(self) -> int:
        """Events so far, of all subscribers."""
        return sum(len(socket.received) for socket in self.sockets)

    async def gather(self, ports: Sequence[int], api_key: str) -> None:
        """Some at a time: a server that is asked by all at once shows its backlog, not its speed."""
        room = asyncio.Semaphore(CONNECTING)

        async def join(port: int) -> None:
            async with room:
                try:
                    socket = await Subscription.open(port, api_key, WATCH)
                except (OSError, SocketFailed) as error:
                    self.failures.add(f"a subscriber could not connect: {error}")
                    return
            socket.on_event = self._note
            self.sockets.append(socket)

        await asyncio.gather(*(join(port) for port in ports))

    async def round(self) -> list[float]:
        """One event. Milliseconds to each subscriber since its mutation was sent."""
        self._expect(1)
        sent = time.perf_counter()
        await self._create(self._creators[0])
        await self._all_arrived()
        # Who has not got it is found out in the end.
        return [(socket.received[-1][0] - sent) * 1000 for socket in self.sockets if socket.received]

    async def burst(self, count: int) -> None:
        self._expect(count)
        left = iter(range(count))

        async def client(connection: Connection) -> None:
            for _ in left:
                await self._create(connection)

        await asyncio.gather(*map(client, self._creators))
        await self._all_arrived()

    def check(self) -> None:
        """Every subscriber has got every event once, and all in the same order."""
        orders = set()
        for socket in self.sockets:
            self.failures.add(socket.failure and f"a subscription ended: {socket.failure}")
            order = tuple(_task_of(message) for _, message in socket.received)
            orders.add(order)
            if sorted(order) != sorted(self.created):
                told, twice = len(set(order)), len(order) - len(set(order))
                self.failures.add(f"a subscriber got {told} of {len(self.created)} events, {twice} of them again")
        if len(orders) > 1:
            self.failures.add(f"subscribers got the same events in {len(orders)} orders")

    def leave(self) -> None:
        for socket in self.sockets:
            socket.close()

    async def _create(self, connection: Connection) -> None:
        try:
            self.created.append(created_id(await connection.ask(self._request(len(self.created)))))
        except (BadAnswer, ValueError) as error:
            self.failures.add(str(error))
            self._missing -= len(self.sockets)

    def _expect(self, events: int) -> None:
        self._missing += events * len(self.sockets)
        self._arrived.clear()

    def _note(self, _: bytes) -> None:
        self._missing -= 1
        if self._missing <= 0:
            self._arrived.set()

    async def _all_arrived(self) -> None:
        if self._missing <= 0:
            return
        try:
            await asyncio.wait_for(self._arrived.wait(), _ARRIVE_SECONDS)
        except TimeoutError:
            self.failures.add(f"{self._missing} deliveries were missing after {_ARRIVE_SECONDS:g} s")
            self._missing = 0


def _task_of(message: bytes) -> str:
    """The id of a task that was created; anything else names itself, and is in nobody's list."""
    event = (json.loads(message)["payload"].get("data") or {}).get("taskEvents")
    if event is None or (event["kind"], event["seq"], event["gap"]) != ("CREATED", 1, False):
        return message[:300].decode()
    return str(event["task"]["id"])
