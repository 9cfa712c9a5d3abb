"""The command as users have it: a process of its own, which finds the API by its environment."""

import asyncio
import json
import os
import sys
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from tests.integration.conftest import Tenant

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
