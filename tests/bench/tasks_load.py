"""W4: tasks from the mutation to the event that tells their end, over one subscription for each workspace."""

import asyncio
import itertools
import json
import time
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import uvloop

from tests.bench.figures import percentile
from tests.bench.http_client import BadAnswer, Connection
from tests.bench.job import Failures, Outcome, Service, created_id
from tests.bench.meter import Reading, Used
from tests.bench.model import SUMMARY
from tests.bench.socket_client import Subscription

WATCH = "subscription { taskEvents { seq kind gap task { id status cost output } } }"
CONNECTIONS = 32
WARM_UP = 32
_END_SECONDS = 60.0
_END_KINDS = (b'"SUCCEEDED"', b'"FAILED"', b'"CANCELED"', b'"EXPIRED"')


@dataclass(frozen=True, slots=True)
class Creation:
    """A ready-made createTask of a tenant."""

    request: bytes
    tenant: int


@dataclass(frozen=True, slots=True)
class Tasks:
    """Run it in a process of its own: `Tasks(...)()`. `rate` is in tasks a second; None sends as fast as it goes."""

    service: Service
    api_keys: Sequence[str]
    creations: Sequence[Creation]
    count: int
    rate: float | None

    def __call__(self) -> Outcome:
        return uvloop.run(self._run())

    async def _run(self) -> Outcome:
        ports = itertools.cycle(self.service.ports)
        sockets = [await Subscription.open(next(ports), key, WATCH) for key in self.api_keys]
        connections = [await Connection.open(next(ports)) for _ in range(CONNECTIONS)]
        run = Run(self.creations, sockets, connections)
        await run.burst(WARM_UP)
        await run.all_ended()
        run.begin()
        before = Reading.take(self.service.groups)
        began = time.perf_counter()
        await (run.burst(self.count) if self.rate is None else run.steady(self.count, self.rate))
        sent = time.perf_counter() - began
        await run.all_ended()
        used = before.until(Reading.take(self.service.groups))
        outcome = run.outcome(began, sent, used)
        if self.rate is None:
            outcome.per_second = outcome.count / outcome.seconds
        for socket in sockets:
            socket.close()
        for connection in connections:
            connection.close()
        return outcome


class Run:
    """What was sent over these connections, and what came over these subscriptions."""

    def __init__(
        self, creations: Sequence[Creation], sockets: Sequence[Subscription], connections: Sequence[Connection]
    ) -> None:
        self._next = itertools.cycle(creations)
        self._sockets = sockets
        self._free: asyncio.LifoQueue[Connection] = asyncio.LifoQueue()
        for connection in connections:
            self._free.put_nowait(connection)
        for socket in sockets:
            socket.on_event = self._note
        self._failures = Failures()
        self._ended = self._created = 0
        self._progress = asyncio.Event()
        self.begin()

    def begin(self) -> None:
        """What was before is not measured, but it has to be right as well."""
        # By task: when its mutation was sent, or due, and its tenant.
        self._sent: dict[str, tuple[float, int]] = {}
        self._mutations: list[float] = []

    async def burst(self, count: int) -> None:
        left = iter(range(count))

        async def client() -> None:
            for _ in left:
                await self._create(time.perf_counter())

        await asyncio.gather(*(client() for _ in range(self._free.qsize())))

    async def steady(self, count: int, rate: float) -> None:
        """Each at its time, however late the answers to others are."""
        began, placing = time.perf_counter(), []
        for number in range(count):
            due = began + number / rate
            if (pause := due - time.perf_counter()) > 0:
                await asyncio.sleep(pause)
            placing.append(asyncio.create_task(self._create(due)))
        await asyncio.gather(*placing)

    async def all_ended(self) -> None:
        """Until every created task's end was told, or nothing was for a minute."""
        while self._ended < self._created and not any(socket.failure for socket in self._sockets):
            self._progress.clear()
            try:
                await asyncio.wait_for(self._progress.wait(), _END_SECONDS)
            except TimeoutError:
                self._failures.add(f"{self._created - self._ended} tasks had not ended {_END_SECONDS:g} s after others")
                return

    def outcome(self, began: float, sent_seconds: float, used: Used) -> Outcome:
        for socket in self._sockets:
            self._failures.add(socket.failure and f"a subscription ended: {socket.failure}")
        ends = {task_id: at for socket in self._sockets for task_id, at in self._read(socket).items()}
        for task_id in self._sent.keys() - ends.keys():
            self._failures.add(f"{task_id}: its end was not told")
        latencies = [(ends[task_id] - at) * 1000 for task_id, (at, _) in self._sent.items() if task_id in ends]
        seconds = max(ends.values(), default=time.perf_counter()) - began
        extra = {"creates_per_second": len(self._mutations) / sent_seconds}
        for percent in (50, 95):
            extra[f"create_p{percent}_ms"] = percentile(self._mutations, percent) or 0.0
        created = [(tenant, task_id) for task_id, (_, tenant) in self._sent.items()]
        return Outcome(len(latencies), seconds, None, used, latencies, self._failures.told(), created, extra)

    def note_created(self, task_id: str, tenant: int, sent_at: float, answered_at: float) -> None:
        self._created += 1
        self._sent[task_id] = sent_at, tenant
        self._mutations.append((answered_at - sent_at) * 1000)

    async def _create(self, due: float) -> None:
        creation = next(self._next)
        connection = await self._free.get()
        try:
            task_id = created_id(await connection.ask(creation.request))
        except (BadAnswer, ValueError) as error:
            self._failures.add(str(error))
        else:
            self.note_created(task_id, creation.tenant, due, time.perf_counter())
        finally:
            self._free.put_nowait(connection)

    def _note(self, message: bytes) -> None:
        # To read every message now would take time from those that arrive meanwhile.
        if any(kind in message for kind in _END_KINDS):
            self._ended += 1
            self._progress.set()

    def _read(self, socket: Subscription) -> dict[str, float]:
        """When each task's success was told. Whatever came twice, out of order, or not at all is a failure."""
        ends: dict[str, float] = {}
        last: defaultdict[str, int] = defaultdict(int)
        for at, message in socket.received:
            payload = json.loads(message)["payload"]
            event = (payload.get("data") or {}).get("taskEvents")
            if event is None or event["gap"]:
                self._failures.add(message[:300].decode())
                continue
            task = event["task"]
            if event["seq"] != last[task["id"]] + 1:
                self._failures.add(f"{task['id']}: event {event['seq']} after {last[task['id']]}")
            last[task["id"]] = event["seq"]
            self._failures.add(_problem(event, task))
            if event["kind"] == "SUCCEEDED":
                ends[task["id"]] = at
        return ends


def _problem(event: dict[str, Any], task: dict[str, Any]) -> str | None:
    if event["kind"] == "SUCCEEDED":
        right = task["status"] == "SUCCEEDED" and task["output"] == {"summary": SUMMARY} and task["cost"] > 0
        return None if right else f"{task['id']} succeeded with {task}"
    return None if event["kind"] in ("CREATED", "STARTED") else f"{task['id']}: {event['kind']}"
