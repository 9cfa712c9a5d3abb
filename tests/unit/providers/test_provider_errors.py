import asyncio
from collections.abc import AsyncIterator

import pytest

from app.providers.errors import ProviderError, from_status, from_stream_event, retry_after_seconds
from app.providers.timeouts import until


@pytest.mark.parametrize(
    ("status", "reason", "retryable"),
    [
        (400, "bad_request", False),
        (401, "authentication", False),
        (402, "quota_exhausted", False),
        (403, "permission", False),
        (404, "not_found", False),
        (408, "timeout", True),
        (409, "conflict", True),
        (413, "request_too_large", False),
        (422, "bad_request", False),
        (424, "server_error", True),
        (429, "rate_limited", True),
        (500, "server_error", True),
        (502, "server_error", True),
        (503, "overloaded", True),
        (504, "timeout", True),
        (529, "overloaded", True),
    ],
)
def test_the_status_decides_reason_and_retry(status: int, reason: str, retryable: bool) -> None:
    error = from_status("openai", status, (), {"retry-after": "3"})

    assert (error.reason, error.retryable) == (reason, retryable)
    assert error.retry_after == (3 if retryable else None)


def test_a_model_that_a_router_does_not_know_may_be_known_elsewhere() -> None:
    error = from_status("huggingface", 400, ("model_not_supported", "invalid_request_error"), {})

    assert (error.reason, error.retryable, error.moves_on) == ("not_found", False, True)


@pytest.mark.parametrize(
    "words",
    [
        ("credit_balance_exhausted", "insufficient_quota"),
        ("enforced_spend_limit_reached", "rate_limit_error"),
    ],
)
def test_spent_money_is_not_a_rate_limit(words: tuple[str, ...]) -> None:
    error = from_status("openai", 429, words, {})

    assert (error.reason, error.retryable) == ("quota_exhausted", False)


@pytest.mark.parametrize(
    ("words", "reason", "retryable"),
    [
        (("overloaded_error",), "overloaded", True),
        (("server_is_overloaded", "service_unavailable_error"), "overloaded", True),
        (("rate_limit_error",), "rate_limited", True),
        (("api_error",), "server_error", True),
        (("timeout_error",), "timeout", True),
        (("invalid_request_error",), "bad_request", False),
        (("500", "server_error"), "server_error", True),
        (("400", "exceed_context_size_error"), "bad_request", False),
        (("never_heard_of",), "server_error", True),
        ((), "server_error", True),
    ],
)
def test_an_error_event_counts_as_the_status_it_stands_for(
    words: tuple[str, ...], reason: str, retryable: bool
) -> None:
    error = from_stream_event("anthropic", words)

    assert (error.reason, error.retryable) == (reason, retryable)


@pytest.mark.parametrize(
    ("headers", "seconds"),
    [
        ({}, None),
        ({"retry-after": "12"}, 12),
        ({"retry-after": "0.5"}, 0.5),
        ({"retry-after": "12", "retry-after-ms": "250"}, 0.25),
        ({"retry-after": "Sun, 22 Nov 2026 10:01:30 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 90),
        ({"retry-after": "Sun, 22 Nov 2026 09:00:00 GMT", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, 0),
        ({"retry-after": "Sun, 22 Nov 2026 10:01:30 GMT"}, None),
        ({"retry-after": "-5"}, None),
        ({"retry-after": "nan", "date": "Sun, 22 Nov 2026 10:00:00 GMT"}, None),
        ({"retry-after": "9" * 400}, None),
    ],
)
def test_retry_after_is_read_in_all_its_forms(headers: dict[str, str], seconds: float | None) -> None:
    assert retry_after_seconds(headers) == seconds


def test_the_message_shows_a_short_error_type_and_nothing_longer() -> None:
    short = ProviderError("openai", "bad_request", retryable=False, detail="context_length_exceeded")
    long = ProviderError("openai", "bad_request", retryable=False, detail="Your prompt 'Dear John' is bad")

    assert str(short) == "openai: the request was refused as invalid (context_length_exceeded)."
    assert str(long) == "openai: the request was refused as invalid."


async def test_the_deadline_ends_the_waiting_but_not_the_consumer() -> None:
    async def one_then_nothing() -> AsyncIterator[int]:
        yield 1
        await asyncio.Event().wait()

    numbers = until(asyncio.get_running_loop().time() + 0.05, one_then_nothing())
    first = await anext(numbers)
    await asyncio.sleep(0.1)  # a consumer that takes longer than the deadline, and is left alone

    assert first == 1
    with pytest.raises(TimeoutError):
        await anext(numbers)
