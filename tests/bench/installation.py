"""The installation under test: durable servers, all checks on, and data in it."""

import asyncio
import base64
import contextlib
import sys
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from uuid import UUID

import psutil
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app import ids
from app.db.engine import sqlalchemy_url
from app.db.vault import Vault
from app.embedded.child import Child, Command
from app.embedded.port import LOOPBACK, free_port
from app.models import LedgerKind
from app.services.billing import credits
from app.services.billing.verify import verify as verify_ledger
from app.services.seed.load import Plan, seed
from tests.bench.meter import Groups
from tests.cluster import Cluster
from tests.cluster_process import POLL_SECONDS, ClusterError

PAGE = 20
_CREDITS_MICROS = 10**12
_GRANTED = 100
_MODEL_SECONDS = 20.0
_LISTS = text("""
    SELECT workspace_id, status, array_agg(id ORDER BY id DESC) AS ids
    FROM (
        SELECT workspace_id, status, id, row_number() OVER (PARTITION BY workspace_id, status ORDER BY id DESC) AS place
        FROM tasks WHERE status = ANY(:statuses)
    ) numbered
    WHERE place <= :page GROUP BY workspace_id, status
""")
_SAMPLE = text("SELECT id, workspace_id, status FROM tasks ORDER BY md5(id::text) LIMIT :count")
_MODEL_WORKERS = text("SELECT workspace_id, id FROM workers WHERE provider = 'openai'")
_OPEN = text("SELECT count(*) FROM tasks WHERE status IN ('QUEUED', 'RUNNING')")


@dataclass(frozen=True, slots=True)
class Tenant:
    """A workspace: its API key, and the public id of its worker that the model's stand-in serves."""

    workspace_id: UUID
    api_key: str
    worker_id: str


@dataclass(frozen=True, slots=True)
class StoredTask:
    """What is known of a task from the database: `tenant` is an index, `id` the public one."""

    tenant: int
    id: str
    status: str


class Installation(Cluster):
    """No proxies between the service and its servers, and a stand-in for OpenAI as the only vendor."""

    def __init__(self, apis: int, folder: Path) -> None:
        super().__init__(apis, 0, None, folder)
        self.tenants: list[Tenant] = []

    @property
    def groups(self) -> Groups:
        """The processes by what they are."""
        assert self.postgres.child is not None
        assert self.redis.child is not None
        return {
            "api": [process.pid for process in self.apis],
            "worker": [process.pid for process in self.workers],
            "postgres": [self.postgres.child.pid],
            "redis": [self.redis.child.pid],
            "model": [self._model.pid],
        }

    @property
    def ports(self) -> tuple[int, ...]:
        return tuple(api.port for api in self.apis)

    async def start_workers(self, count: int) -> None:
        """As many as there are to be, in all."""
        await asyncio.gather(*(self.start_worker() for _ in range(count - len(self.workers))))

    async def fill(self, workspaces: int, tasks: int, *, keep: bool = False) -> None:
        """New tenants, with a history of so many ended tasks in all of them. `keep`: those of before stay."""
        report = await seed(self.owner_url, self._vault(), Plan(workspaces, tasks), lambda _: None)
        async with self._owner() as engine:
            async with engine.connect() as connection:
                found = await connection.execute(_MODEL_WORKERS)
                workers = {row.workspace_id: row.id for row in found}
            # As many as may be given much work; what the others are seeded with is enough for a little.
            for made in report.workspaces[:_GRANTED]:
                await credits.post(engine, made.workspace_id, LedgerKind.GRANT, _CREDITS_MICROS, "benchmark")
        self.tenants = [
            *(self.tenants if keep else ()),
            *(
                Tenant(made.workspace_id, made.api_key, ids.encode(ids.WORKER, workers[made.workspace_id]))
                for made in report.workspaces
            ),
        ]

    async def newest(self, statuses: tuple[str, ...]) -> Mapping[tuple[int, str], list[str]]:
        """By tenant and status the public ids of a first page; nothing where there is none."""
        rows = await self._rows(_LISTS, statuses=list(statuses), page=PAGE)
        tenants = self._tenant_numbers()
        return {
            (tenants[row.workspace_id], row.status): [ids.encode(ids.TASK, id_) for id_ in row.ids]
            for row in rows
            if row.workspace_id in tenants
        }

    async def sample(self, count: int) -> list[StoredTask]:
        """Some tasks from all over the table."""
        tenants = self._tenant_numbers()
        return [
            StoredTask(tenants[row.workspace_id], ids.encode(ids.TASK, row.id), row.status)
            for row in await self._rows(_SAMPLE, count=count)
            if row.workspace_id in tenants
        ]

    async def open_tasks(self) -> int:
        """How many are queued or running, in all workspaces."""
        (row,) = await self._rows(_OPEN)
        return int(row.count)

    async def ledger_breaks(self) -> list[str]:
        async with self._owner() as engine:
            found = await verify_ledger(engine, None, lambda *_: None)
        assert found is not None
        return [str(broken) for broken in found.breaks]

    def _tenant_numbers(self) -> dict[UUID, int]:
        return {tenant.workspace_id: number for number, tenant in enumerate(self.tenants)}

    def _vault(self) -> Vault:
        return Vault([base64.b64decode(self.keys["BIZQ_ENCRYPTION_KEY"])])

    async def _rows(self, statement: Any, **values: Any) -> Any:
        async with self._owner() as engine, engine.connect() as connection:
            return (await connection.execute(statement, values)).all()

    @contextlib.asynccontextmanager
    async def _owner(self) -> Any:
        engine: AsyncEngine = create_async_engine(sqlalchemy_url(self.owner_url), poolclass=NullPool)
        try:
            yield engine
        finally:
            await engine.dispose()

    async def _start_fakes(self) -> None:
        port = free_port()
        argv = [sys.executable, str(Path(__file__).with_name("model.py")), str(port)]
        self._model = Child(Command("model", argv, log=self.folder / "logs" / "model.log"), self.folder / "run")
        self._stack.push_async_callback(asyncio.to_thread, self._model.stop)
        self._extra |= {"OPENAI_BASE_URL": f"http://{LOOPBACK}:{port}/v1", "OPENAI_API_KEY": "stand-in"}
        async with asyncio.timeout(_MODEL_SECONDS):
            while not await _listens(port):
                if not self._model.running:
                    raise ClusterError("The model's stand-in ended while it started.")
                await asyncio.sleep(POLL_SECONDS)

    def _environment(self) -> dict[str, str]:
        return {**super()._environment(), "DATABASE_URL": self.postgres.app_url, "REDIS_URL": self.redis_url}


async def _listens(port: int) -> bool:
    try:
        _, writer = await asyncio.open_connection(LOOPBACK, port)
    except OSError:
        return False
    writer.close()
    return True


def machine() -> dict[str, Any]:
    """What the figures depend on beside the code."""
    model = "unknown"
    with contextlib.suppress(OSError):
        names = [line.partition(":")[2].strip() for line in Path("/proc/cpuinfo").read_text().splitlines()]
        labels = Path("/proc/cpuinfo").read_text().splitlines()
        model = next((name for label, name in zip(labels, names, strict=True) if label.startswith("model name")), model)
    return {
        "processor": model,
        "cores": psutil.cpu_count(),
        "memory_gib": round(psutil.virtual_memory().total / 2**30, 1),
        "python": sys.version.split()[0],
        "system": sys.platform,
    }
