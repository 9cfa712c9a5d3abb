"""What is Replicate's own: predictions that run on their own, streams beside them, and webhooks at their end."""

import asyncio
import dataclasses
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import aclosing, asynccontextmanager
from typing import Any

import pytest

from app.fakes.prediction import Prediction
from app.providers import replicate_predictions
from app.providers.chat import END_TURN, ChatProvider, ChatRequest, Finished, TextDelta, Usage
from app.providers.errors import ProviderError
from app.providers.replicate_predictions import ReplicatePredictions, Wakeups, prediction_channel
from app.providers.timeouts import Timeouts

Run = Callable[[ChatProvider, ChatRequest], Awaitable[tuple[list[str], Finished | ProviderError]]]
QUIET = "batch/llama"


@pytest.fixture(params=["replicate"])
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture
def quick_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(replicate_predictions, "FIRST_PAUSE_SECONDS", 0.02)


def whole(fakes: Any) -> str:
    """The answer to the last call, as the vendor has it."""
    return "".join(last(fakes).pieces)


def last(fakes: Any) -> Prediction:
    prediction: Prediction = list(fakes.app.state.replicate.predictions.values())[-1]
    return prediction


async def test_a_stream_that_is_cut_costs_nothing(
    fakes: Any, run: Run, chat_request: ChatRequest, quick_polls: None
) -> None:
    fakes.order("replicate", "cut", after=3)

    texts, ending = await run(fakes.provider("replicate"), chat_request)

    assert texts[:3] == last(fakes).pieces[:3]
    assert "".join(texts) == whole(fakes)
    assert ending == Finished(END_TURN, Usage(24, -(-len(whole(fakes)) // 4)))
    assert fakes.last_call("replicate").outcome == "completed"


async def test_a_prediction_that_is_interrupted_can_be_tried_again(
    fakes: Any, run: Run, chat_request: ChatRequest
) -> None:
    fakes.order("replicate", "overloaded_midstream", after=4)

    texts, ending = await run(fakes.provider("replicate"), chat_request)

    assert len(texts) == 4
    assert isinstance(ending, ProviderError)
    assert (ending.reason, ending.retryable) == ("server_error", True)
    assert ending.usage == Usage(24, -(-len("".join(texts)) // 4))


async def test_a_model_that_cannot_stream_is_polled_for_what_it_has_written(
    fakes: Any, run: Run, chat_request: ChatRequest, quick_polls: None
) -> None:
    fakes.order("replicate", "slow", delay=0.01)
    asked = dataclasses.replace(chat_request, model=QUIET)

    texts, ending = await run(fakes.provider("replicate"), asked)

    assert 2 <= len(texts) < len(last(fakes).pieces)
    assert "".join(texts) == whole(fakes)
    assert isinstance(ending, Finished)


async def test_what_the_vendor_cancels_is_a_timeout(fakes: Any, chat_request: ChatRequest) -> None:
    fakes.order("replicate", "slow", delay=0.02)

    async with aclosing(fakes.provider("replicate").stream(chat_request)) as stream:
        await anext(stream)
        await last(fakes).end("canceled")
        with pytest.raises(ProviderError) as canceled:
            async for _ in stream:
                pass

    assert (canceled.value.reason, canceled.value.retryable) == ("timeout", True)


async def test_a_pause_of_a_model_that_cannot_stream_is_a_timeout_too(
    fakes: Any, run: Run, chat_request: ChatRequest, quick_polls: None
) -> None:
    fakes.order("replicate", "slow", delay=20)
    asked = dataclasses.replace(chat_request, model=QUIET)

    texts, ending = await run(fakes.provider("replicate", timeouts=Timeouts(between_chunks=0.2)), asked)

    assert texts == []
    assert isinstance(ending, ProviderError)
    assert (ending.reason, ending.retryable) == ("timeout", True)
    await asyncio.wait_for(fakes.last_call("replicate").ended.wait(), 5)
    assert fakes.last_call("replicate").outcome == "canceled"


@pytest.mark.parametrize(
    "model", ["m", "../account", "meta/..", "meta/../../account", "meta/m?x=1", "meta/m/n", "meta/m:v1", "Ünal/m", ""]
)
async def test_a_name_that_is_no_model_is_not_asked_for(
    fakes: Any, run: Run, chat_request: ChatRequest, model: str
) -> None:
    before = fakes.app.state.journal.served("replicate").calls

    _, ending = await run(fakes.provider("replicate"), dataclasses.replace(chat_request, model=model))

    assert isinstance(ending, ProviderError)
    assert (ending.reason, ending.moves_on) == ("not_found", True)
    assert fakes.app.state.journal.served("replicate").calls == before


async def test_a_version_is_asked_for_by_itself(fakes: Any, run: Run, chat_request: ChatRequest) -> None:
    version = "5c7d5dc6dd8bf75c1acaa8565735e7986bc5b66206b55cca93cb72c9bf15ccaa"

    _, ending = await run(fakes.provider("replicate"), dataclasses.replace(chat_request, model=f"meta/m:{version}"))

    call = fakes.last_call("replicate")
    assert isinstance(ending, Finished)
    assert (call.path, call.body["version"]) == ("/replicate/v1/predictions", version)


async def test_a_prediction_has_a_deadline_of_its_own(fakes: Any, run: Run, chat_request: ChatRequest) -> None:
    await run(fakes.provider("replicate", timeouts=Timeouts(whole_call=61.5)), chat_request)

    assert fakes.last_call("replicate").headers["cancel-after"] == "62s"


async def test_whoever_leaves_while_it_is_created_cancels_it(fakes: Any, chat_request: ChatRequest) -> None:
    fakes.order("replicate", "slow", delay=0.05)
    provider = fakes.provider("replicate")
    calls = fakes.app.state.journal.served("replicate").calls
    first = asyncio.ensure_future(anext(provider.stream(chat_request)))
    while not any(task.get_name() == "create a prediction" for task in asyncio.all_tasks()):  # noqa: ASYNC110 no event
        await asyncio.sleep(0)

    first.cancel()
    await asyncio.wait({first})
    await provider.aclose()

    assert fakes.app.state.journal.served("replicate").calls == calls + 1
    assert fakes.last_call("replicate").outcome == "canceled"


class Bell:
    """Counts who listens where, and wakes them by hand."""

    def __init__(self) -> None:
        self.channels: list[str] = []
        self.waits: list[float] = []
        self.rung = asyncio.Event()

    @asynccontextmanager
    async def listen(self, channel: str) -> AsyncIterator[Wakeups]:
        self.channels.append(channel)
        yield self

    async def wait(self, timeout: float) -> None:  # noqa: ASYNC109 as the interface has it
        self.waits.append(timeout)
        await asyncio.wait_for(self.rung.wait(), 10)


async def test_a_wake_ends_the_wait_at_once(fakes: Any, chat_request: ChatRequest) -> None:
    fakes.order("replicate", "slow", delay=0.01)
    bell = Bell()
    provider = ReplicatePredictions(
        api_token="key", base_url=f"{fakes.url}/replicate", webhook_url="http://127.0.0.1:1/", listen=bell.listen
    )
    fakes.opened.append(provider)

    async def ring() -> None:
        while not bell.waits:  # noqa: ASYNC110 the first look at the prediction
            await asyncio.sleep(0.01)
        await fakes.last_call("replicate").ended.wait()
        bell.rung.set()

    ringing = asyncio.create_task(ring())
    asked = dataclasses.replace(chat_request, model=QUIET)
    parts = [part async for part in provider.stream(asked)]
    await ringing

    assert isinstance(parts[-1], Finished)
    assert "".join(part.text for part in parts if isinstance(part, TextDelta)) == whole(fakes)
    assert bell.channels == [prediction_channel(last(fakes).id)]
    assert bell.waits == [replicate_predictions.FIRST_PAUSE_SECONDS]
    body = fakes.last_call("replicate").body
    assert (body["webhook"], body["webhook_events_filter"]) == ("http://127.0.0.1:1/", ["completed"])


async def test_without_an_address_no_webhook_is_asked_for(fakes: Any, run: Run, chat_request: ChatRequest) -> None:
    await run(fakes.provider("replicate"), chat_request)

    assert set(fakes.last_call("replicate").body) == {"input", "stream"}


async def test_a_moment_in_which_it_cannot_be_asked_for_does_not_end_it(
    fakes: Any, run: Run, chat_request: ChatRequest, quick_polls: None, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = fakes.provider("replicate")
    get, failures = provider._api.get, 0

    async def unwell(prediction_id: str) -> Any:
        nonlocal failures
        failures += 1
        if failures < replicate_predictions.MOST_FAILED_LOOKS:
            raise ProviderError("replicate", "overloaded", retryable=True)
        return await get(prediction_id)

    monkeypatch.setattr(provider._api, "get", unwell)
    texts, ending = await run(provider, chat_request)

    assert isinstance(ending, Finished)
    assert "".join(texts) == whole(fakes)


async def test_what_cannot_be_asked_for_any_more_is_given_up(
    fakes: Any, run: Run, chat_request: ChatRequest, monkeypatch: pytest.MonkeyPatch
) -> None:
    provider = fakes.provider("replicate")

    async def forbidden(prediction_id: str) -> Any:
        raise ProviderError("replicate", "authentication", retryable=False)

    monkeypatch.setattr(provider._api, "get", forbidden)
    _, ending = await run(provider, chat_request)

    assert isinstance(ending, ProviderError)
    assert (ending.reason, ending.retryable) == ("authentication", False)
