import asyncio
from collections.abc import AsyncIterator, Callable
from typing import Any

import pytest
from event_log_fake import FakeHub, FakeLog

from app.events.feed import Feed


@pytest.fixture
def log() -> FakeLog:
    return FakeLog()


@pytest.fixture
def hub() -> FakeHub:
    return FakeHub()


@pytest.fixture
async def make_feed(hub: FakeHub, log: FakeLog) -> AsyncIterator[Callable[..., Feed[str, Any]]]:
    made: list[Feed[str, Any]] = []

    def make(**options: Any) -> Feed[str, Any]:
        options = {"poll_interval": 0.05, "page": log.page} | options
        made.append(Feed(hub, log.read, log.head, channel_of="events:{}".format, **options))
        return made[-1]

    yield make
    for feed in made:
        await feed.stop()


@pytest.fixture
async def feed(make_feed: Callable[..., Feed[str, Any]]) -> Feed[str, Any]:
    return make_feed()


@pytest.fixture
def settled() -> Callable[[Callable[[], bool]], Any]:
    """Wait until something holds; fails after 5 s."""

    async def wait_for(holds: Callable[[], bool]) -> None:
        async with asyncio.timeout(5):
            while not holds():  # noqa: ASYNC110 what is waited for announces nothing
                await asyncio.sleep(0.001)

    return wait_for
