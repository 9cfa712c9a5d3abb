"""One run: the installation, its data, the workloads one after the other, and what came of each."""

import asyncio
import random
import time
from collections import defaultdict
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import orjson

from tests.bench.fan_out import FanOut
from tests.bench.figures import Figures, each, percentile
from tests.bench.http_client import Connection, graphql_request
from tests.bench.installation import PAGE, Installation
from tests.bench.job import CREATE, Failures, Outcome, Service, in_a_process, task_input
from tests.bench.meter import Reading
from tests.bench.requests_load import Exchange, One, Page, Requests
from tests.bench.tasks_load import Creation, Tasks

# The shares of the lists that are asked for.
STATUSES = ("SUCCEEDED", "SUCCEEDED", "SUCCEEDED", "FAILED", "CANCELED")
PREPARED = 1_000
STEADY_PER_SECOND = 100.0
STEADY_TIMES = 3
LOOKED_UP = 100
_DRAIN_SECONDS = 120.0
_LOOK_SECONDS = 0.1

LIST = """query($first: Int!, $statuses: [TaskStatus!]) { tasks(first: $first, filter: {statuses: $statuses}) {
  nodes { id type status cost createdAt input worker { id name } template { id template { name } } } } }"""
READ = "query($id: ID!) { task(id: $id) { id type status cost createdAt input } }"
LOOK_UP = "query($ids: [ID!]!) { nodes(ids: $ids) { ... on Task { id status } } }"


class Workload(StrEnum):
    W1 = "w1"
    W2 = "w2"
    W3 = "w3"
    W4 = "w4"
    W5 = "w5"


@dataclass(frozen=True, slots=True)
class Options:
    """`seconds` is how long each of W1, W2 and W3 takes; W4's steady load takes three times that."""

    folder: Path
    workloads: Sequence[Workload] = tuple(Workload)
    seconds: float = 5.0
    processes: int = 1
    workspaces: int = 20
    tasks: int = 10_000
    burst: int = 2_000
    subscribers: int = 500

    def as_json(self) -> dict[str, float | int]:
        """What two runs have to agree in to be compared; how long they took is not among it."""
        names = ("processes", "workspaces", "tasks", "burst", "subscribers")
        return {name: getattr(self, name) for name in names}


class Bench:
    """Drives a running installation, whose workers it starts when they are needed. `say` takes a line of progress."""

    def __init__(self, options: Options, installation: Installation, say: Callable[[str], None]) -> None:
        self._options = options
        self._installation = installation
        self._say = say

    async def run(self) -> list[Figures]:
        """In the order of the workloads: the reads see a table at rest, and W3 no worker."""
        steps = {
            Workload.W1: self._w1,
            Workload.W2: self._w2,
            Workload.W3: self._w3,
            Workload.W4: self._w4,
            Workload.W5: self._w5,
        }
        figures: list[Figures] = []
        for workload, step in steps.items():
            if workload in self._options.workloads:
                figures += await step()
        return figures

    async def lists(self) -> Outcome:
        """Of every tenant the newest tasks of each status, whatever page that is."""
        pages = await self._installation.newest(tuple(dict.fromkeys(STATUSES)))
        exchanges = [
            Exchange(
                graphql_request(tenant.api_key, LIST, {"first": PAGE, "statuses": [status]}),
                Page(pages.get((number, status), []), status),
            )
            for number, tenant in enumerate(self._installation.tenants)
            for status in STATUSES
        ]
        random.Random(1).shuffle(exchanges)
        return await self._requests(exchanges)

    async def reads(self) -> Outcome:
        """Of some tasks from all over the table."""
        tenants = self._installation.tenants
        return await self._requests(
            [
                Exchange(
                    graphql_request(tenants[task.tenant].api_key, READ, {"id": task.id}), One(task.id, task.status)
                )
                for task in await self._installation.sample(PREPARED)
            ]
        )

    async def creates(self) -> Outcome:
        """As fast as they go. Each created task is looked up, and has to be there."""
        outcome = await self._requests([Exchange(item.request, None, item.tenant) for item in self._creations()])
        outcome.failures += await self._problems_of(outcome.created, "QUEUED")
        return outcome

    async def tasks(self, count: int, rate: float | None, tenants: Sequence[int] = ()) -> Outcome:
        """`rate` in tasks a second; None as fast as they go. `tenants` are those that create them, or all."""
        creations = self._creations(tenants)
        keys = [self._installation.tenants[number].api_key for number in sorted({item.tenant for item in creations})]
        outcome = await in_a_process(Tasks(self._service, keys, creations, count, rate))
        outcome.failures += await self._problems_of(outcome.created, "SUCCEEDED")
        return outcome

    async def fan_out(self, subscribers: int) -> Outcome:
        """To processes that have just started: one that has worked has memory to give, and would show no growth."""
        for process in self._installation.apis:
            await self._installation.restart_api(process)
        tenant = self._installation.tenants[0]
        return await in_a_process(FanOut(self._service, tenant.api_key, tenant.worker_id, subscribers))

    async def _w1(self) -> list[Figures]:
        self._say(f"W1: lists of {PAGE}")
        return [_figures("w1", f"list of {PAGE} with worker and template", "request", await self.lists())]

    async def _w2(self) -> list[Figures]:
        self._say("W2: one task by id")
        return [_figures("w2", "one task by id, 6 fields", "request", await self.reads())]

    async def _w3(self) -> list[Figures]:
        self._say("W3: createTask, no worker running")
        created = await self.creates()
        self._say("W3: workers do these tasks")
        drained = await self._drain()
        drained.failures += await self._problems_of(created.created, "SUCCEEDED")
        return [
            _figures("w3", "createTask, no worker running", "request", created),
            _figures("w3drain", "a backlog, until none is queued or running", "task", drained),
        ]

    async def _w4(self) -> list[Figures]:
        await self._installation.start_workers(self._options.processes)
        burst, rate = self._options.burst, STEADY_PER_SECOND
        self._say(f"W4: a burst of {burst} tasks")
        first = await self.tasks(burst, None)
        self._say(f"W4: {rate:g} tasks a second")
        second = await self.tasks(max(1, round(self._options.seconds * STEADY_TIMES * rate)), rate)
        return [
            _figures("w4", f"createTask × {burst}, until all have ended", "task", first),
            _figures("w4steady", f"{rate:g} createTask/s, mutation to SUCCEEDED", "task", second),
        ]

    async def _w5(self) -> list[Figures]:
        subscribers = self._options.subscribers
        self._say(f"W5: {subscribers} subscribers")
        return [_figures("w5", f"one event to {subscribers} subscribers", "delivery", await self.fan_out(subscribers))]

    async def _drain(self) -> Outcome:
        """What is queued, done by workers that have just started."""
        await self._installation.start_workers(self._options.processes)
        queued = left = await self._installation.open_tasks()
        reading, began = Reading.take(self._installation.groups), time.perf_counter()
        while left and time.perf_counter() - began < _DRAIN_SECONDS:
            await asyncio.sleep(_LOOK_SECONDS)
            left = await self._installation.open_tasks()
        used = reading.until(Reading.take(self._installation.groups))
        done = queued - left
        return Outcome(done, used.seconds, done / used.seconds, used)

    async def _requests(self, exchanges: Sequence[Exchange]) -> Outcome:
        return await in_a_process(Requests(self._service, exchanges, self._options.seconds))

    @property
    def _service(self) -> Service:
        return Service(self._installation.ports, self._installation.groups)

    def _creations(self, numbers: Sequence[int] = ()) -> list[Creation]:
        """Of these tenants, or of all, who take turns."""
        tenants = self._installation.tenants
        chosen = numbers or range(len(tenants))
        creations = []
        for number in range(max(PREPARED, len(chosen))):
            tenant = chosen[number % len(chosen)]
            given = task_input(number, tenants[tenant].worker_id)
            request = graphql_request(tenants[tenant].api_key, CREATE, {"input": given})
            creations.append(Creation(request, tenant))
        return creations

    async def _problems_of(self, created: Sequence[tuple[int, str]], status: str) -> list[str]:
        """Asks the API for each created task: it is there, once, with this status."""
        failures = Failures()
        if len(set(created)) != len(created):
            failures.add("two creates were answered with one task")
        by_tenant: defaultdict[int, list[str]] = defaultdict(list)
        for tenant, task_id in created:
            by_tenant[tenant].append(task_id)
        connection = await Connection.open(self._installation.ports[0])
        for tenant, mine in by_tenant.items():
            key = self._installation.tenants[tenant].api_key
            for begin in range(0, len(mine), LOOKED_UP):
                part = mine[begin : begin + LOOKED_UP]
                body = await connection.ask(graphql_request(key, LOOK_UP, {"ids": part}))
                nodes = (orjson.loads(body).get("data") or {}).get("nodes") or [None] * len(part)
                for task_id, node in zip(part, nodes, strict=True):
                    right = node is not None and (node["id"], node["status"]) == (task_id, status)
                    failures.add(None if right else f"{task_id} is not {status}: {node}")
        connection.close()
        return failures.told()


def _figures(name: str, title: str, unit: str, outcome: Outcome) -> Figures:
    p50, p95, p99 = (percentile(outcome.latencies, percent) for percent in (50, 95, 99))
    return Figures(
        name=name,
        title=title,
        unit=unit,
        count=outcome.count,
        seconds=outcome.seconds,
        per_second=outcome.per_second,
        p50_ms=p50,
        p95_ms=p95,
        p99_ms=p99,
        cpu_ms=each(outcome.used.cpu, outcome.count),
        other_cores=outcome.used.other_cores,
        extra=outcome.extra,
        failures=outcome.failures,
    )
