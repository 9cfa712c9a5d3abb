import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.providers.chat import ChatProvider, ChatRequest, Finished, Usage
from app.providers.errors import ProviderError
from app.providers.timeouts import Timeouts
from tests.integration.providers.vendors import LEFT, provider_at

Run = Callable[[ChatProvider, ChatRequest], Awaitable[tuple[list[str], Finished | ProviderError]]]


def verdict(ending: Finished | ProviderError) -> tuple[str, bool, float | None]:
    assert isinstance(ending, ProviderError), ending
    return ending.reason, ending.retryable, ending.retry_after


@pytest.mark.parametrize(
    ("kind", "expected"),
    [
        ("rate_limit", ("rate_limited", True, 7.0)),
        ("quota_exhausted", ("quota_exhausted", False, None)),
        ("server_error", ("server_error", True, None)),
        ("overloaded", ("overloaded", True, None)),
        ("bad_request", ("bad_request", False, None)),
    ],
)
async def test_an_http_error_says_whether_to_try_again(
    fakes: Any, vendor: str, run: Run, chat_request: ChatRequest, kind: str, expected: tuple[str, bool, float]
) -> None:
    fakes.order(vendor, kind, retry_after=7)
    provider = fakes.provider(vendor)

    texts, ending = await run(provider, chat_request)
    _, after = await run(provider, chat_request)

    assert texts == []
    assert verdict(ending) == expected
    assert isinstance(ending, ProviderError)
    assert (ending.provider, ending.code) == (vendor, "PROVIDER_UNAVAILABLE")
    assert isinstance(after, Finished), "one order, one failure: the SDK must not retry on its own"


@pytest.mark.parametrize(
    ("kind", "expected"),
    [("overloaded_midstream", ("overloaded", True, None)), ("cut", ("stream_cut", True, None))],
)
@pytest.mark.parametrize("vendor", ["openai", "anthropic", "huggingface", "local"])
async def test_what_came_before_a_broken_stream_is_delivered(
    fakes: Any, vendor: str, run: Run, chat_request: ChatRequest, kind: str, expected: tuple[str, bool, None]
) -> None:
    fakes.order(vendor, kind, after=20)

    texts, ending = await run(fakes.provider(vendor), chat_request)

    assert len(texts) == 20
    assert verdict(ending) == expected


async def test_a_pause_longer_than_the_limit_between_chunks_is_a_timeout(
    fakes: Any, vendor: str, run: Run, chat_request: ChatRequest
) -> None:
    fakes.order(vendor, "slow", delay=20)

    texts, ending = await run(fakes.provider(vendor, timeouts=Timeouts(between_chunks=0.2)), chat_request)

    assert texts == []
    assert verdict(ending) == ("timeout", True, None)


async def test_a_steady_stream_that_takes_too_long_as_a_whole_is_a_timeout(
    fakes: Any, vendor: str, run: Run, chat_request: ChatRequest
) -> None:
    fakes.order(vendor, "slow", delay=0.05)
    provider = fakes.provider(vendor, timeouts=Timeouts(between_chunks=5, whole_call=0.4))

    texts, ending = await run(provider, chat_request)

    assert 1 <= len(texts) <= 8
    assert verdict(ending) == ("timeout", True, None)
    await asyncio.wait_for(fakes.last_call(vendor).ended.wait(), 5)
    assert fakes.last_call(vendor).outcome == LEFT.get(vendor, "disconnected")


async def test_without_usage_the_answer_still_counts(
    fakes: Any, vendor: str, run: Run, chat_request: ChatRequest
) -> None:
    fakes.order(vendor, "no_usage")

    texts, ending = await run(fakes.provider(vendor), chat_request)

    assert len(texts) >= 20
    assert ending == Finished("end_turn", None)


async def test_a_refusal_is_an_error_that_carries_what_was_billed(
    fakes: Any, vendor: str, run: Run, chat_request: ChatRequest
) -> None:
    fakes.order(vendor, "refusal")

    texts, ending = await run(fakes.provider(vendor), chat_request)

    assert texts == []
    assert verdict(ending) == ("refused", False, None)
    assert isinstance(ending, ProviderError)
    assert ending.usage == Usage(24, 12 if vendor in ("openai", "local") else 0)


async def test_a_wrong_key_is_told_without_repeating_it(
    fakes: Any, vendor: str, run: Run, chat_request: ChatRequest
) -> None:
    _, ending = await run(fakes.provider(vendor, key="invalid-secret"), chat_request)

    assert verdict(ending) == ("authentication", False, None)
    assert "secret" not in repr(ending)
    assert "parcel" not in repr(ending)


async def test_a_refused_connection_can_be_tried_again(vendor: str, run: Run, chat_request: ChatRequest) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        nobody = f"http://127.0.0.1:{listener.getsockname()[1]}"
    provider = provider_at(nobody, vendor)

    _, ending = await run(provider, chat_request)
    await provider.aclose()

    assert verdict(ending) == ("connection", True, None)
