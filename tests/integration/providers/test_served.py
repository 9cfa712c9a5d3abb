"""The fakes' books: what was served is counted the same way for every vendor and every end."""

import asyncio
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from dataclasses import asdict
from typing import Any

import httpx
import pytest

from app.fakes.journal import VENDORS, Served
from app.providers.chat import ChatProvider, ChatRequest, Finished, TextDelta
from app.providers.errors import ProviderError

Run = Callable[[ChatProvider, ChatRequest], Awaitable[tuple[list[str], Finished | ProviderError]]]


@pytest.fixture(params=VENDORS)
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def since(fakes: Any, vendor: str) -> Callable[[], Served]:
    """What the vendor served since the test began."""
    began = asdict(fakes.app.state.journal.served(vendor))

    def difference() -> Served:
        now = asdict(fakes.app.state.journal.served(vendor))
        return Served(**{name: now[name] - began[name] for name in now})

    return difference


def tokens(texts: list[str]) -> int:
    return -(-len("".join(texts)) // 4)


async def test_an_answer_is_served_whole(
    fakes: Any, vendor: str, run: Run, chat_request: ChatRequest, since: Callable[[], Served]
) -> None:
    texts, _ = await run(fakes.provider(vendor), chat_request)

    assert since() == Served(calls=1, input_tokens=24, output_tokens=tokens(texts))


@pytest.mark.parametrize("kind", ["rate_limit", "quota_exhausted", "server_error", "overloaded", "bad_request"])
async def test_a_call_that_is_refused_serves_nothing(
    fakes: Any, vendor: str, run: Run, chat_request: ChatRequest, since: Callable[[], Served], kind: str
) -> None:
    fakes.order(vendor, kind)

    await run(fakes.provider(vendor), chat_request)

    assert since() == Served(calls=1, refused=1)


@pytest.mark.parametrize("kind", ["cut", "overloaded_midstream"])
async def test_of_a_broken_answer_what_arrived_is_served(
    fakes: Any, vendor: str, run: Run, chat_request: ChatRequest, since: Callable[[], Served], kind: str
) -> None:
    fakes.order(vendor, kind, after=3)

    texts, _ = await run(fakes.provider(vendor), chat_request)

    # Replicate's predictions outlive their streams: what was cut off arrived after all.
    assert len(texts) == 3 or (vendor, kind) == ("replicate", "cut")
    assert since() == Served(calls=1, input_tokens=24, output_tokens=tokens(texts))


async def test_what_the_vendor_has_read_before_is_counted_apart(
    fakes: Any, vendor: str, run: Run, chat_request: ChatRequest, since: Callable[[], Served]
) -> None:
    fakes.order(vendor, "cached_input")

    _, ending = await run(fakes.provider(vendor), chat_request)

    assert isinstance(ending, Finished)
    assert ending.usage is not None
    assert since().cached_input_tokens == ending.usage.cached_input_tokens == (0 if vendor == "replicate" else 12)
    assert since().input_tokens == ending.usage.input_tokens == 24


async def test_of_an_answer_nobody_waits_for_a_part_is_served(
    fakes: Any, vendor: str, chat_request: ChatRequest, since: Callable[[], Served]
) -> None:
    fakes.order(vendor, "slow", delay=0.02)

    async with aclosing(fakes.provider(vendor).stream(chat_request)) as stream:
        first = await anext(stream)
        assert since() == Served(calls=1, open=1)
    await asyncio.wait_for(fakes.last_call(vendor).ended.wait(), 5)

    assert isinstance(first, TextDelta)
    served = since()
    assert (served.open, served.input_tokens) == (0, 24)
    assert tokens([first.text]) <= served.output_tokens < 20


async def test_the_books_are_open_to_everybody(fakes: Any, vendor: str) -> None:
    async with httpx.AsyncClient() as client:
        served = (await client.get(f"{fakes.url}/_served")).json()

    assert list(served) == list(VENDORS)
    assert served[vendor] == asdict(fakes.app.state.journal.served(vendor))
