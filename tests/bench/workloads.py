"""One run: the installation, its data, the workloads one after the other, and what came of each."""

import asyncio
import itertools
import random
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path

import orjson

from tests.bench.fan_out import FanOut
from tests.bench.figures import Figures, each, percentile
from tests.bench.http_client import Connection, graphql_request
from tests.bench.installation import PAGE, Installation, StoredTask
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
        figures: list[Figures] = []
        steps = {
            Workload.W1: self._list,
            Workload.W2: self._read,
            Workload.W3: self._create,
            Workload.W4: self._complete,
            Workload.W5: self._fan_out,
        }
        for workload, step in steps.items():
            if workload in self._options.workloads:
                figures += await step()
        return figures

    async def _list(self) -> list[Figures]:
        self._say(f"W1: lists of {PAGE}")
        pages = await self._installation.newest(tuple(dict.fromkeys(STATUSES)))
        tenants = self._installation.tenants
        exchanges = []
        for number, status in zip(range(len(tenants) * len(STATUSES)), itertools.cycle(STATUSES), strict=False):
            tenant = number // len(STATUSES)
            request = graphql_request(tenants[tenant].api_key, LIST, {"first": PAGE, "statuses": [status]})
            exchanges.append(Exchange(request, Page(pages.get((tenant, status), []), status)))
        random.Random(1).shuffle(exchanges)
        return [await self._requests("w1", f"list of {PAGE} with worker and template", exchanges)]

    async def _read(self) -> list[Figures]:
        self._say("W2: one task by id")
        exchanges = [
            Exchange(
                graphql_request(self._installation.tenants[task.tenant].api_key, READ, {"id": task.id}),
                One(task.id, task.status),
            )
            for task in await self._installation.sample(PREPARED)
        ]
        return [await self._requests("w2", "one task by id, 6 fields", exchanges)]

    async def _create(self) -> list[Figures]:
        self._say("W3: createTask, no worker running")
        exchanges = [Exchange(item.request, None, item.tenant) for item in self._creations()]
        job = Requests(self._service, exchanges, self._options.seconds)
        outcome = await in_a_process(job)
        problems = await self._problems_of(outcome.created, "QUEUED")
        created = _figures("w3", "createTask, no worker running", "request", outcome, problems)
        return [created, await self._drain(outcome)]

    async def _drain(self, before: Outcome) -> Figures:
        """What W3 has queued, done by workers that have just started."""
        self._say(f"W3: workers do the {len(before.created)} tasks")
        await self._installation.start_workers(self._options.processes)
        queued = await self._installation.open_tasks()
        reading, began = Reading.take(self._installation.groups), time.perf_counter()
        left = queued
        while left and time.perf_counter() - began < _DRAIN_SECONDS:
            await asyncio.sleep(_LOOK_SECONDS)
            left = await self._installation.open_tasks()
        used = reading.until(Reading.take(self._installation.groups))
        done = queued - left
        outcome = Outcome(done, used.seconds, done / used.seconds, used)
        problems = await self._problems_of(before.created, "SUCCEEDED")
        return _figures("w3drain", "a backlog, until none is queued or running", "task", outcome, problems)

    async def _complete(self) -> list[Figures]:
        await self._installation.start_workers(self._options.processes)
        burst, rate = self._options.burst, STEADY_PER_SECOND
        self._say(f"W4: a burst of {burst} tasks")
        first = await self._tasks("w4", f"createTask × {burst}, until all have ended", burst, None)
        self._say(f"W4: {rate:g} tasks a second")
        steady = max(1, round(self._options.seconds * STEADY_TIMES * rate))
        return [first, await self._tasks("w4steady", f"{rate:g} createTask/s, mutation to SUCCEEDED", steady, rate)]

    async def _fan_out(self) -> list[Figures]:
        self._say(f"W5: {self._options.subscribers} subscribers")
        tenant = self._installation.tenants[0]
        job = FanOut(self._service, tenant.api_key, tenant.worker_id, self._options.subscribers)
        outcome = await in_a_process(job)
        title = f"one event to {self._options.subscribers} subscribers"
        return [_figures("w5", title, "delivery", outcome)]

    async def _requests(self, name: str, title: str, exchanges: Sequence[Exchange]) -> Figures:
        outcome = await in_a_process(Requests(self._service, exchanges, self._options.seconds))
        return _figures(name, title, "request", outcome)

    async def _tasks(self, name: str, title: str, count: int, rate: float | None) -> Figures:
        keys = [tenant.api_key for tenant in self._installation.tenants]
        job = Tasks(self._service, keys, self._creations(), count, rate)
        outcome = await in_a_process(job)
        problems = await self._problems_of(outcome.created, "SUCCEEDED")
        return _figures(name, title, "task", outcome, problems)

    @property
    def _service(self) -> Service:
        return Service(self._installation.ports, self._installation.groups)

    def _creations(self) -> list[Creation]:
        tenants = self._installation.tenants
        creations = []
        for number in range(PREPARED):
            tenant = number % len(tenants)
            given = task_input(number, tenants[tenant].worker_id)
            request = graphql_request(tenants[tenant].api_key, CREATE, {"input": given})
            creations.append(Creation(request, tenant))
        return creations

    async def _problems_of(self, created: Sequence[tuple[int, str]], status: str) -> list[str]:
        """Asks the API for each created task: it is there, once, with this status."""
        failures = Failures()
        if len(set(created)) != len(created):
            failures.add("two creates were answered with one task")
        connection = await Connection.open(self._installation.ports[0])
        for tenant, key in enumerate(item.api_key for item in self._installation.tenants):
            mine = [StoredTask(tenant, task_id, status) for owner, task_id in created if owner == tenant]
            for begin in range(0, len(mine), LOOKED_UP):
                part = mine[begin : begin + LOOKED_UP]
                body = await connection.ask(graphql_request(key, LOOK_UP, {"ids": [task.id for task in part]}))
                nodes = (orjson.loads(body).get("data") or {}).get("nodes") or [None] * len(part)
                for task, node in zip(part, nodes, strict=True):
                    right = node is not None and (node["id"], node["status"]) == (task.id, status)
                    failures.add(None if right else f"{task.id} is not {status}: {node}")
        connection.close()
        return failures.told()


def _figures(name: str, title: str, unit: str, outcome: Outcome, problems: Sequence[str] = ()) -> Figures:
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
        failures=[*outcome.failures, *problems],
    )
