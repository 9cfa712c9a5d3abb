"""A whole installation as real processes on loopback, any of which a test may kill, freeze and start again.

PostgreSQL and Redis keep what they hold, as a customer's would; the service reaches both through proxies, which can
break all connections. Everything lives in one folder and is ended, by pid, when the `async with` ends.
"""

import asyncio
import base64
import itertools
import json
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Mapping
from contextlib import AsyncExitStack
from pathlib import Path
from types import TracebackType
from typing import Any, Self
from urllib.parse import urlsplit, urlunsplit

import httpx
import psutil
from redis import asyncio as redis_asyncio

from app.embedded.data_dir import DataDir
from app.embedded.port import LOOPBACK, free_port
from app.embedded.postgres import EmbeddedPostgres
from app.embedded.redis import EmbeddedRedis
from tests.cluster_process import POLL_SECONDS, ApiProcess, ClusterError, Process
from tests.tcp_proxy import TcpProxy

_KEYS = ("BIZQ_TOKEN_KEY", "BIZQ_ENCRYPTION_KEY")
# Rate limits are on, so that faults meet them too; all callers have one address here.
_OUT_OF_THE_WAY = dict.fromkeys(("BIZQ_RATE_POINTS", "BIZQ_RATE_ANONYMOUS_POINTS", "BIZQ_SIGN_UPS_PER_HOUR"), "1000000")
READY_SECONDS = 60.0
COMMAND_SECONDS = 60.0
PROBE_SECONDS = 2.0
_WORKER_READY = "worker ready"


class Cluster:
    """`async with Cluster(apis=2, workers=2) as cluster:`. Blocking starts run in threads, waits are bounded.

    `environment` goes to every api and worker. With a `folder` of the caller's, data and logs stay there.
    """

    def __init__(
        self,
        apis: int = 1,
        workers: int = 1,
        environment: Mapping[str, str] | None = None,
        folder: Path | None = None,
    ) -> None:
        self._wanted = (apis, workers)
        self._extra = dict(environment or {})
        self._kept_folder = folder
        self._numbers = itertools.count(1)
        self._processes: list[Process] = []
        self._stack = AsyncExitStack()

    async def __aenter__(self) -> Self:
        try:
            await self._start()
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    @property
    def apis(self) -> list[ApiProcess]:
        """Those that have not ended; a frozen one has not."""
        return [process for process in self._processes if isinstance(process, ApiProcess) and process.alive]

    @property
    def workers(self) -> list[Process]:
        return [process for process in self._processes if process.name.startswith("worker") and process.alive]

    @property
    def urls(self) -> list[str]:
        return [process.url for process in self.apis]

    async def start_api(self, port: int | None = None) -> ApiProcess:
        """Returns when /readyz answers 200; raises ClusterError when it ends before or takes too long."""
        name = f"api-{next(self._numbers)}"
        process = ApiProcess(name, self._environment(), self.folder, port or free_port())
        self._processes.append(process)
        async with httpx.AsyncClient(base_url=process.url, timeout=PROBE_SECONDS) as http:
            while not await _is_ready(http):
                await self._still_starting(process)
        return process

    async def start_worker(self) -> Process:
        """Returns when it says that it is ready; raises as `start_api`."""
        process = Process(f"worker-{next(self._numbers)}", ["worker"], self._environment(), self.folder)
        self._processes.append(process)
        while _WORKER_READY not in process.log():
            await self._still_starting(process)
        return process

    async def restart_api(self, process: ApiProcess) -> ApiProcess:
        """A new one on the same port, for clients that know no other. The old one is killed where it lives."""
        if process.alive:
            process.kill()
            await process.wait(READY_SECONDS)
        return await self.start_api(process.port)

    async def make_tenant(self) -> str:
        """The API key of the owner of a new workspace."""
        made = json.loads(await self._command("demo", "--json"))
        return str(made["apiKey"])

    async def kill_redis(self) -> None:
        """SIGKILL, and what it had written is gone: it comes back empty."""
        assert self.redis.child is not None
        self.redis.child.kill()
        await asyncio.to_thread(self.redis.child.process.wait)
        await asyncio.to_thread(shutil.rmtree, self._data.path / "redis")

    async def start_redis(self) -> None:
        await asyncio.to_thread(self.redis.start)

    async def flush_redis(self) -> None:
        client = redis_asyncio.Redis.from_url(self.redis_url, socket_timeout=PROBE_SECONDS)
        try:
            await client.flushall()
        finally:
            await client.aclose()

    async def kill_postgres(self) -> None:
        """SIGKILL of the postmaster; returns when its sessions have gone too. What was committed stays."""
        assert self.postgres.child is not None
        family = await asyncio.to_thread(psutil.Process(self.postgres.child.pid).children)
        self.postgres.child.kill()
        await asyncio.to_thread(self.postgres.child.process.wait)
        _, alive = await asyncio.to_thread(psutil.wait_procs, family, timeout=5)
        for process in alive:
            process.kill()
        await asyncio.to_thread(psutil.wait_procs, alive, timeout=5)

    async def start_postgres(self) -> None:
        """Returns when it has recovered and answers."""
        await asyncio.to_thread(self.postgres.start)

    async def _start(self) -> None:
        await self._start_servers()
        await self._command("migrate")
        await self._start_fakes()
        apis, workers = self._wanted
        starting = [self.start_api() for _ in range(apis)] + [self.start_worker() for _ in range(workers)]
        await asyncio.gather(*starting)

    async def _start_servers(self) -> None:
        # Not pytest's folder: as root, PostgreSQL runs as another user, and pytest shuts that folder to others again.
        self.folder = self._kept_folder or Path(tempfile.mkdtemp(prefix="bizq-cluster-"))
        if self._kept_folder is None:
            self._stack.callback(shutil.rmtree, self.folder)
        self._data = DataDir(self.folder)
        self._data.open()
        self._stack.callback(self._data.close)
        held = self._data.secrets()
        self.postgres = EmbeddedPostgres(self._data.path / "postgres", self._data.run, held, ephemeral=False)
        self.redis = EmbeddedRedis(self._data.path / "redis", self._data.run, held, ephemeral=False)
        self.owner_url, self.redis_url = self.postgres.owner_url, self.redis.url
        self.keys = {name: base64.b64encode(secrets.token_bytes(32)).decode() for name in _KEYS}
        for server in (self.postgres, self.redis):
            self._stack.push_async_callback(asyncio.to_thread, server.stop)
        await asyncio.gather(asyncio.to_thread(self.postgres.start), asyncio.to_thread(self.redis.start))
        self.postgres_proxy, self.redis_proxy = TcpProxy(_port(self.owner_url)), TcpProxy(_port(self.redis_url))
        for proxy in (self.postgres_proxy, self.redis_proxy):
            await proxy.start()
            self._stack.push_async_callback(proxy.stop)
        self._stack.push_async_callback(self._end_processes)

    async def _start_fakes(self) -> None:
        fakes = Process("fakes", ["fakes", "--port", "0", "--json"], _base_environment(), self.folder)
        self._processes.append(fakes)
        while (printed := _json_object(fakes.log())) is None:
            await self._still_starting(fakes)
        self.fakes_url = str(printed["url"])
        self._extra = {**printed["environment"], **self._extra}

    async def _still_starting(self, process: Process) -> None:
        """A pause; raises ClusterError where waiting longer makes no sense, and ends the process."""
        if process.alive and time.monotonic() - process.started_at < READY_SECONDS:
            await asyncio.sleep(POLL_SECONDS)
            return
        problem = f"was not ready in {READY_SECONDS:g} s" if process.alive else "ended while it started"
        await asyncio.to_thread(process.end)
        raise ClusterError(f"{process.name} {problem}.\n{process.last_lines()}")

    async def _end_processes(self) -> None:
        await asyncio.gather(*(asyncio.to_thread(process.end) for process in self._processes))

    async def _command(self, *arguments: str) -> str:
        """Run `bizq ARGUMENTS` against the servers themselves, to its end. Returns what it printed."""
        environment = {**_base_environment(), "DATABASE_URL": self.postgres.app_url, "REDIS_URL": self.redis_url}
        process = await asyncio.create_subprocess_exec(
            sys.executable,
            "-m",
            "app.cli",
            *arguments,
            env={**environment, "DATABASE_OWNER_URL": self.owner_url, **self.keys},
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.PIPE,
        )
        try:
            async with asyncio.timeout(COMMAND_SECONDS):
                printed, complaint = await process.communicate()
        finally:
            if process.returncode is None:
                process.kill()
        if process.returncode:
            raise ClusterError(f"bizq {arguments[0]} failed:\n{complaint.decode()}")
        return printed.decode()

    def _environment(self) -> dict[str, str]:
        return {
            **_base_environment(),
            "DATABASE_URL": _through(self.postgres_proxy, self.postgres.app_url),
            "REDIS_URL": _through(self.redis_proxy, self.redis_url),
            **self.keys,
            "BIZQ_LOG_FORMAT": "json",
            **_OUT_OF_THE_WAY,
            **self._extra,
        }


async def _is_ready(http: httpx.AsyncClient) -> bool:
    try:
        return (await http.get("/readyz")).status_code == httpx.codes.OK
    except httpx.TransportError:
        return False


def _base_environment() -> dict[str, str]:
    """Nothing of this project that the developer's shell has set."""
    return {"PATH": os.environ["PATH"], "PYTHONUNBUFFERED": "1"}


def _port(url: str) -> int:
    port = urlsplit(url).port
    assert port is not None
    return port


def _through(proxy: TcpProxy, url: str) -> str:
    parts = urlsplit(url)
    login = parts.netloc.rpartition("@")[0]
    return urlunsplit(parts._replace(netloc=f"{login}@{LOOPBACK}:{proxy.port}"))


def _json_object(text: str) -> dict[str, Any] | None:
    """None while it is not complete."""
    try:
        value: dict[str, Any] = json.loads(text)
    except ValueError:
        return None
    return value
