"""W1, W2, W3: so many connections, each sends its next request when it has the answer to the last."""

import asyncio
import itertools
import time
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

import orjson
import uvloop

from tests.bench.http_client import BadAnswer, Connection
from tests.bench.job import Failures, Outcome, Service, created_id
from tests.bench.meter import Reading

CONNECTIONS = 32
WARM_UP_SECONDS = 1.0


class Expected(Protocol):
    def problem(self, body: bytes) -> str | None:
        """What is wrong with the answer; None where nothing is."""


@dataclass(frozen=True, slots=True)
class Page:
    """Exactly these tasks in this order, each with this status and its template."""

    ids: Sequence[str]
    status: str

    def problem(self, body: bytes) -> str | None:
        answer = orjson.loads(body)
        if "errors" in answer:
            return body[:300].decode()
        nodes = answer["data"]["tasks"]["nodes"]
        right = [node["id"] for node in nodes] == list(self.ids) and all(
            node["status"] == self.status and node["template"] is not None for node in nodes
        )
        return None if right else f"not the page of {len(self.ids)} {self.status}: {body[:300].decode()}"


@dataclass(frozen=True, slots=True)
class One:
    """This task with this status."""

    id: str
    status: str

    def problem(self, body: bytes) -> str | None:
        answer = orjson.loads(body)
        task = answer["data"]["task"] if "errors" not in answer else None
        right = task is not None and (task["id"], task["status"]) == (self.id, self.status)
        return None if right else f"not {self.id}: {body[:300].decode()}"


@dataclass(frozen=True, slots=True)
class Exchange:
    """A request; `expected` None is a create of `tenant`, whose task is noted."""

    request: bytes
    expected: Expected | None
    tenant: int = 0


@dataclass(frozen=True, slots=True)
class Requests:
    """Run it in a process of its own: `Requests(...)()`."""

    service: Service
    exchanges: Sequence[Exchange]
    seconds: float
    connections: int = CONNECTIONS

    def __call__(self) -> Outcome:
        return uvloop.run(self._run())

    async def _run(self) -> Outcome:
        ports = itertools.cycle(self.service.ports)
        connections = [await Connection.open(next(ports)) for _ in range(self.connections)]
        load = _Load(self.exchanges)
        await load.run(connections, WARM_UP_SECONDS)
        load.latencies.clear()
        before = Reading.take(self.service.groups)
        began = time.perf_counter()
        await load.run(connections, self.seconds)
        seconds = time.perf_counter() - began
        used = before.until(Reading.take(self.service.groups))
        for connection in connections:
            connection.close()
        count = len(load.latencies)
        return Outcome(count, seconds, count / seconds, used, load.latencies, load.failures.told(), load.created)


class _Load:
    def __init__(self, exchanges: Sequence[Exchange]) -> None:
        self._next = itertools.cycle(exchanges)
        self.latencies: list[float] = []
        self.failures = Failures()
        self.created: list[tuple[int, str]] = []

    async def run(self, connections: Sequence[Connection], seconds: float) -> None:
        until = time.perf_counter() + seconds
        await asyncio.gather(*(self._client(connection, until) for connection in connections))

    async def _client(self, connection: Connection, until: float) -> None:
        while (began := time.perf_counter()) < until:
            exchange = next(self._next)
            try:
                body = await connection.ask(exchange.request)
            except BadAnswer as answer:
                self.failures.add(str(answer))
                continue
            self.latencies.append((time.perf_counter() - began) * 1000)
            self._check(exchange, body)

    def _check(self, exchange: Exchange, body: bytes) -> None:
        if exchange.expected is not None:
            self.failures.add(exchange.expected.problem(body))
            return
        try:
            self.created.append((exchange.tenant, created_id(body)))
        except ValueError as error:
            self.failures.add(str(error))
