"""Makes the planned faults happen, and starts again what they ended."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Sequence

import httpx

from tests.chaos.plan import BOTH, Fault, Kind
from tests.cluster import Cluster
from tests.cluster_process import ApiProcess, ClusterError, Process

# What a process that is told to stop may take: its own time to drain, and leases that it hands back.
DRAIN_SECONDS = 40.0
EXIT_SECONDS = 5.0
REVIVE_SECONDS = 60.0
REVIVE_PAUSE_SECONDS = 0.3
# What has come back is left alone for so long, even where the machine was slower than the plan.
WORKS_SECONDS = 3.0
VENDOR_ORDERS: dict[str, dict[str, float]] = {
    "rate_limit": {"times": 3, "retry_after": 1.0},
    "server_error": {"times": 3},
    "cut": {"times": 3, "after": 10},
    "slow": {"times": 5, "delay": 0.2},
}


class Injector:
    """Faults on different targets overlap. One whose target is not back yet holds up those after it."""

    def __init__(self, cluster: Cluster, vendors: httpx.AsyncClient, report: Callable[[str], None]) -> None:
        self._cluster = cluster
        self._vendors = vendors
        self._report = report
        self._processes: dict[str, Process] = {f"api {n}": process for n, process in enumerate(cluster.apis)}
        self._processes |= {f"worker {n}": process for n, process in enumerate(cluster.workers)}
        self._turns = {name: asyncio.Lock() for name in (*self._processes, "redis", "postgres")}
        self._database_up = asyncio.Event()
        self._database_up.set()
        self.done: Counter[Kind] = Counter()
        self.violations: list[str] = []

    async def run(self, faults: Sequence[Fault]) -> None:
        """Returns when all have happened and everything runs again."""
        self._begun = time.monotonic()
        late = 0.0
        async with asyncio.TaskGroup() as group:
            for fault in faults:
                await asyncio.sleep(fault.at + late - self._now())
                turn = self._turns.get(fault.target, asyncio.Lock())
                await turn.acquire()
                late = max(late, self._now() - fault.at)
                group.create_task(self._inject(fault, turn))
        await self._vendors.delete("/_faults")
        for name in self._processes:
            await self._revive_if_ended(name)

    def _now(self) -> float:
        return time.monotonic() - self._begun

    async def _inject(self, fault: Fault, turn: asyncio.Lock) -> None:
        try:
            await self._hit(fault)
            if fault.target in self._turns:
                await asyncio.sleep(WORKS_SECONDS)
        finally:
            turn.release()

    async def _hit(self, fault: Fault) -> None:
        if fault.target in self._processes:
            await self._revive_if_ended(fault.target)
        self.done[fault.kind] += 1
        lasts = f" for {fault.lasts:.1f} s" if fault.lasts else ""
        self._report(f"  fault at {self._now():5.1f} s: {fault.kind}, {fault.target}{lasts}")
        match fault.kind:
            case Kind.REDIS_KILL | Kind.REDIS_FLUSH | Kind.POSTGRES_KILL:
                await self._hit_server(fault)
            case Kind.CONNECTIONS_DROP:
                self._drop(fault.target)
            case Kind.VENDOR:
                await self._order(fault.target)
            case _:
                await self._hit_process(fault)

    async def _hit_process(self, fault: Fault) -> None:
        process = self._processes[fault.target]
        match fault.kind:
            case Kind.WORKER_FREEZE | Kind.API_FREEZE:
                process.freeze()
                await asyncio.sleep(fault.lasts)
                process.thaw()
                return
            case Kind.WORKER_KILL | Kind.API_KILL:
                process.kill()
                await process.wait(EXIT_SECONDS)
                await asyncio.sleep(fault.lasts)
            case _:
                await self._drain(fault.target, process)
        await self._revive(fault.target)

    async def _drain(self, name: str, process: Process) -> None:
        process.stop()
        begun = time.monotonic()
        try:
            code = await process.wait(DRAIN_SECONDS)
        except ClusterError:
            self.violations.append(f"{process.name} had not ended {DRAIN_SECONDS:g} s after SIGTERM")
            process.kill()
            await process.wait(EXIT_SECONDS)
            return
        self._report(f"  {name} drained in {time.monotonic() - begun:.1f} s, exit code {code}")

    async def _hit_server(self, fault: Fault) -> None:
        match fault.kind:
            case Kind.REDIS_FLUSH:
                await self._cluster.flush_redis()
            case Kind.REDIS_KILL:
                await self._cluster.kill_redis()
                await asyncio.sleep(fault.lasts)
                await self._cluster.start_redis()
            case _:
                self._database_up.clear()
                await self._cluster.kill_postgres()
                await asyncio.sleep(fault.lasts)
                await self._cluster.start_postgres()
                self._database_up.set()

    def _drop(self, target: str) -> None:
        if target in ("to postgres", BOTH):
            self._cluster.postgres_proxy.drop_all()
        if target in ("to redis", BOTH):
            self._cluster.redis_proxy.drop_all()

    async def _order(self, kind: str) -> None:
        order: dict[str, str | float] = {"vendor": "openai", "kind": kind}
        order |= VENDOR_ORDERS[kind]
        (await self._vendors.post("/_faults", json=order)).raise_for_status()

    async def _revive_if_ended(self, name: str) -> None:
        process = self._processes[name]
        if not process.alive:
            code = await process.wait(0)
            self.violations.append(f"{process.name} ended by itself with code {code}:\n{process.last_lines()}")
            await self._revive(name)

    async def _revive(self, name: str) -> None:
        """As a supervisor would, until it is ready: without a database it would only refuse to start."""
        begun = time.monotonic()
        while True:
            await self._database_up.wait()
            try:
                self._processes[name] = await self._start_again(self._processes[name])
            except ClusterError:
                if time.monotonic() - begun > REVIVE_SECONDS:
                    raise
            else:
                self._report(f"  {name} is back after {time.monotonic() - begun:.1f} s")
                return
            await asyncio.sleep(REVIVE_PAUSE_SECONDS)

    async def _start_again(self, process: Process) -> Process:
        if isinstance(process, ApiProcess):
            return await self._cluster.restart_api(process)
        return await self._cluster.start_worker()
