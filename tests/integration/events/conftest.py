import asyncio
from collections.abc import AsyncIterator, Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from redis.asyncio import Redis
from redis_process import RedisProcess

from app.events.client import redis_client
from app.events.hub import Hub


@pytest.fixture
def redis_server(tmp_path: Path) -> Iterator[RedisProcess]:
    server = RedisProcess(tmp_path)
    server.start()
    yield server
    server.kill()


@pytest.fixture
async def hub(redis_server: RedisProcess) -> AsyncIterator[Hub]:
    hub = Hub(redis_server.url)
    await hub.start()
    yield hub
    await hub.stop()


@pytest.fixture
async def redis(redis_server: RedisProcess) -> AsyncIterator[Redis]:
    client = redis_client(redis_server.url)
    yield client
    await client.aclose()


@pytest.fixture
def settled() -> Callable[[Callable[[], bool]], Any]:
    """Wait until something holds; fails after 5 s."""

    async def wait_for(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not holds():  # noqa: ASYNC110 what is waited for announces nothing
                await asyncio.sleep(0.001)

    return wait_for
