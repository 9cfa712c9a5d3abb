"""One run from the first process to the verdict."""

import asyncio
import random
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Coroutine, Sequence
from contextlib import asynccontextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from sqlalchemy.ext.asyncio import create_async_engine
from sqlalchemy.pool import NullPool

from app.db.engine import sqlalchemy_url
from app.services.billing.verify import verify as verify_ledger
from tests.chaos import verify
from tests.chaos.faults import Injector
from tests.chaos.load import Load
from tests.chaos.plan import plan
from tests.chaos.report import Report, percentiles_ms
from tests.chaos.service import Service, Tally
from tests.chaos.subscribers import SUBSCRIBERS, Subscriber
from tests.chaos.tasks import TaskRecord, read_tasks, wait_until_none_is_open
from tests.chaos.verify import Verdict
from tests.cluster import Cluster

APIS, WORKERS, WORKSPACES = 2, 2, 2
# A workspace's tasks of ten seconds without a worker are worked off in one; a process told to stop waits 10 s.
ENVIRONMENT = {"BIZQ_WORKSPACE_CONCURRENCY": "40", "BIZQ_DRAIN_SECONDS": "10"}
CALM_SECONDS = 2.0
OPEN_SECONDS = 20.0
ANSWERED_SECONDS = 30.0
DRAIN_SECONDS = 60.0
CATCH_UP_SECONDS = 15.0
PROGRESS_SECONDS = 10.0


@dataclass(frozen=True, slots=True)
class Options:
    """`seconds` is how long the faults are spread over; data and logs go to `folder`."""

    seed: int
    faults: int
    seconds: float
    folder: Path


class Run:
    """The parts of a run that its steps share. `say` takes one line of progress."""

    def __init__(
        self,
        options: Options,
        cluster: Cluster,
        services: Sequence[Service],
        tally: Tally,
        say: Callable[[str], None],
    ) -> None:
        self._options = options
        self._cluster = cluster
        self._services = services
        self._tally = tally
        self._say = say
        self._load = Load(services, options.seed)
        self._subscribers = [
            Subscriber(
                f"subscriber {n}", n % WORKSPACES, services[n % WORKSPACES], random.Random(f"{options.seed}/s/{n}")
            )
            for n in range(SUBSCRIBERS)
        ]
        self._verdict = Verdict()

    async def to_report(self) -> Report:
        async with _running([subscriber.run() for subscriber in self._subscribers]):
            async with asyncio.timeout(OPEN_SECONDS):
                await asyncio.gather(*(subscriber.opened.wait() for subscriber in self._subscribers))
            injector, seconds = await self._load_and_faults()
            drain = await self._drain()
            self._say("reading every task")
            workspaces = [await read_tasks(service) for service in self._services]
            await self._caught_up(workspaces)
        entries = await self._audit_the_ledger()
        self._judge(workspaces, injector)
        return self._report(workspaces, injector, seconds, drain, entries)

    async def _load_and_faults(self) -> tuple[Injector, float]:
        """Returns when everything runs again and the load has stopped, with the seconds that the faults took."""
        rng = random.Random(f"{self._options.seed}/plan")
        faults = plan(rng, self._options.faults, self._options.seconds, APIS, WORKERS)
        async with httpx.AsyncClient(base_url=self._cluster.fakes_url) as vendors:
            injector = Injector(self._cluster, vendors, self._say)
            async with _running([self._load.run(), self._tell_progress(injector)]):
                try:
                    await asyncio.sleep(CALM_SECONDS)
                    begun = time.monotonic()
                    await injector.run(faults)
                    seconds = time.monotonic() - begun
                    await asyncio.sleep(CALM_SECONDS)
                    self._load.stop()
                    await self._load.finish(ANSWERED_SECONDS)
                finally:
                    await self._load.close()
        return injector, seconds

    async def _tell_progress(self, injector: Injector) -> None:
        while True:
            await asyncio.sleep(PROGRESS_SECONDS)
            delivered = sum(len(subscriber.received) for subscriber in self._subscribers)
            creates = len(self._load.ledger.acknowledged)
            self._say(f"{injector.done.total()} faults, {creates} creates acknowledged, {delivered} events delivered")

    async def _drain(self) -> float:
        """Seconds from the end of the load until every task had ended."""
        self._say("draining")
        left = [await wait_until_none_is_open(service, DRAIN_SECONDS) for service in self._services]
        if any(left):
            self._verdict.other.append(f"{sum(left)} tasks had not ended {DRAIN_SECONDS:g} s after the load")
        return time.monotonic() - self._load.ended

    async def _caught_up(self, workspaces: Sequence[Sequence[TaskRecord]]) -> None:
        """Until every subscriber has as many events as there are, or has had its time."""
        for subscriber in self._subscribers:
            subscriber.expect(sum(len(task.events) for task in workspaces[subscriber.workspace]))
        with suppress(TimeoutError):
            async with asyncio.timeout(CATCH_UP_SECONDS):
                await asyncio.gather(*(subscriber.complete.wait() for subscriber in self._subscribers))

    async def _audit_the_ledger(self) -> int:
        """The number of its entries. Looks at the database itself, where everything else asks the API."""
        self._say("verifying the ledger")
        engine = create_async_engine(sqlalchemy_url(self._cluster.owner_url), poolclass=NullPool)
        ledger = await verify_ledger(engine, None, lambda *_: None)
        assert ledger is not None
        self._verdict.unsound += [str(found) for found in ledger.breaks]
        return ledger.entries

    def _judge(self, workspaces: Sequence[Sequence[TaskRecord]], injector: Injector) -> None:
        verify.check_creates(self._verdict, self._load.ledger, workspaces)
        for tasks in workspaces:
            for task in tasks:
                verify.check_task(self._verdict, task)
        for subscriber in self._subscribers:
            verify.check_subscriber(self._verdict, subscriber, workspaces[subscriber.workspace])
        self._verdict.other += injector.violations + self._tally.refusals

    def _report(
        self,
        workspaces: Sequence[Sequence[TaskRecord]],
        injector: Injector,
        seconds: float,
        drain: float,
        entries: int,
    ) -> Report:
        ledger, verdict = self._load.ledger, self._verdict
        by_status = verify.count_by_status(workspaces, ledger)
        endings = sum((subscriber.endings for subscriber in self._subscribers), Counter())
        p50, p99 = percentiles_ms([item.latency for item in ledger.acknowledged.values()])
        moments = [item.at for item in ledger.acknowledged.values()]
        outage, outage_at = verify.longest_outage(self._load.begun, self._load.ended, moments)
        return Report(
            seed=self._options.seed,
            seconds=seconds,
            faults={str(kind): count for kind, count in injector.done.items()},
            acknowledged=len(ledger.acknowledged),
            replayed=ledger.replayed,
            succeeded=by_status.get("SUCCEEDED", 0),
            failed=by_status.get("FAILED", 0),
            canceled=by_status.get("CANCELED", 0),
            lost=len(verdict.lost),
            doubled=len(verdict.doubled),
            inconsistent=len(verdict.inconsistent),
            subscribers=len(self._subscribers),
            reconnects=endings.total(),
            events_delivered=sum(len(subscriber.received) for subscriber in self._subscribers),
            missed_events=len(verdict.missed),
            duplicate_events=len(verdict.duplicated),
            order_violations=len(verdict.misordered),
            ledger_entries=entries,
            ledger_breaks=len(verdict.unsound),
            longest_outage=outage,
            longest_outage_at=outage_at - CALM_SECONDS,
            create_p50_ms=p50,
            create_p99_ms=p99,
            time_to_drain=drain,
            answers=dict(self._tally.answers),
            endings=dict(endings),
            violations=verdict.violations,
        )


async def run(options: Options, say: Callable[[str], None]) -> Report:
    """Raises ClusterError where the installation does not come up, or not again."""
    say("starting PostgreSQL, Redis, the vendors' fakes, 2 api and 2 worker processes")
    async with (
        Cluster(APIS, WORKERS, ENVIRONMENT, options.folder) as cluster,
        httpx.AsyncClient(limits=httpx.Limits(max_connections=None)) as http,
    ):
        tally = Tally()
        keys = [await cluster.make_tenant() for _ in range(WORKSPACES)]
        services = [Service(http, cluster.urls, key, tally) for key in keys]
        return await Run(options, cluster, services, tally, say).to_report()


@asynccontextmanager
async def _running(coroutines: Sequence[Coroutine[Any, Any, None]]) -> AsyncIterator[None]:
    """In the background while inside; a failure of theirs is raised on leaving."""
    tasks = [asyncio.create_task(coroutine) for coroutine in coroutines]
    try:
        yield
    finally:
        for task in tasks:
            task.cancel()
        ends = await asyncio.gather(*tasks, return_exceptions=True)
    for end in ends:
        if isinstance(end, Exception):
            raise end
