"""The command as users have it: a process of its own, which finds the API by its environment."""

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app import ids
from app.db.engine import sqlalchemy_url
from app.db.hot import Hot
from app.principal import Role
from app.services.account import api_keys
from app.services.account.sign_up import add_api_key
from app.settings import Settings
from app.unit_of_work import UnitOfWorkFactory
from tests.integration.conftest import Tenant
from tests.integration.engine.desk import Desk

SECONDS = 60.0


@dataclass(frozen=True, slots=True)
class Result:
    code: int
    out: str
    err: str

    @property
    def json(self) -> Any:
        return json.loads(self.out)


class Command:
    """A running `bizq`; `line` waits for the next line of an output."""

    def __init__(self, process: asyncio.subprocess.Process) -> None:
        self.process = process

    async def line(self, *, error: bool = False) -> str:
        stream = self.process.stderr if error else self.process.stdout
        assert stream is not None
        return (await asyncio.wait_for(stream.readline(), SECONDS)).decode()

    async def interrupt(self) -> Result:
        self.process.send_signal(2)
        return await self.result()

    async def result(self, stdin: bytes | None = None) -> Result:
        out, err = await asyncio.wait_for(self.process.communicate(stdin), SECONDS)
        assert self.process.returncode is not None
        return Result(self.process.returncode, out.decode(), err.decode())


Start = Callable[..., Awaitable[Command]]
Bizq = Callable[..., Awaitable[Result]]


@pytest.fixture
def base_environment(tmp_path: Path) -> dict[str, str]:
    return {"PATH": os.environ["PATH"], "BIZQ_DATA_DIR": str(tmp_path), "TZ": "UTC", "NO_PROXY": "*"}


@pytest.fixture
def start(base_environment: dict[str, str]) -> Start:
    async def start(*arguments: str, **variables: str) -> Command:
        pipe = asyncio.subprocess.PIPE
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-m", "app.cli", *arguments, env={**base_environment, **variables}, stdin=pipe,
            stdout=pipe, stderr=pipe,
        )  # fmt: skip
        return Command(process)

    return start


@pytest.fixture
def access(api: str, tenant: Tenant) -> dict[str, str]:
    return {"BIZQ_URL": api, "BIZQ_API_KEY": tenant.api_key}


@pytest.fixture
def bizq(start: Start, access: dict[str, str]) -> Bizq:
    """Runs a command against the API, in the tenant's name, to its end."""

    async def bizq(*arguments: str, stdin: bytes | None = None, **variables: str) -> Result:
        return await (await start(*arguments, **{**access, **variables})).result(stdin)

    return bizq


@pytest.fixture
async def owner(settings: Settings) -> AsyncIterator[AsyncEngine]:
    engine = create_async_engine(sqlalchemy_url(settings.owner_database_url), poolclass=NullPool)
    yield engine
    await engine.dispose()


@pytest.fixture
async def desk(
    owner: AsyncEngine, engine: AsyncEngine, hot: Hot, unit_of_work: UnitOfWorkFactory, tenant: Tenant
) -> AsyncIterator[Desk]:
    """In the name of the same tenant as `bizq`. No other test finds its tasks stuck."""
    desk = Desk(owner, engine, hot, unit_of_work, tenant)
    yield desk
    mine = {"mine": tenant.account.workspace_id}
    await desk.change("DELETE FROM task_attempts WHERE workspace_id = :mine", **mine)
    await desk.change("UPDATE tasks SET status = 'CANCELED', lease_until = NULL WHERE workspace_id = :mine", **mine)


Fail = Callable[..., Awaitable[str]]


@pytest.fixture
def fail(desk: Desk) -> Fail:
    """Makes a task and lets it end so many minutes ago, past the service; gives its public id."""

    async def fail(
        minutes: float = 5, code: str | None = "worker_lost", status: str = "FAILED", type: str = "note.write"
    ) -> str:
        task_id = await desk.accept_one(type=type, input={})
        await desk.change(
            "UPDATE tasks SET status = :status, finished_at = now() - make_interval(secs => :seconds), "
            "error = CAST(:error AS jsonb) WHERE id = :id",
            status=status,
            seconds=minutes * 60,
            error=json.dumps({"code": code, "message": "The worker is gone.", "retryable": True}) if code else None,
            id=task_id,
        )
        return ids.encode(ids.TASK, task_id)

    return fail


@pytest.fixture
def add_key(unit_of_work: UnitOfWorkFactory, tenant: Tenant) -> Callable[[Role], Awaitable[str]]:
    """Another key of the tenant's workspace, with less rights."""

    async def add(role: Role) -> str:
        key = api_keys.generate()
        async with unit_of_work(tenant.principal) as uow:
            await add_api_key(uow, creator_id=tenant.account.user_id, name="less", key=key, role=role)
        return key.secret

    return add
