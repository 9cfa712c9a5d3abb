"""Language models on Replicate: a prediction is created, streamed or polled, and cancelled when nobody wants it.

A prediction runs there whether or not anybody listens. So a stream that breaks off costs nothing: what it did not bring
is read from the prediction itself. And whoever goes away early has to cancel it.

The end is noticed by polling, or at once where the installation can be told (webhook): the message only wakes the
poll, so that one which is lost, late or repeated does no harm.
"""

import asyncio
import re
from collections.abc import AsyncGenerator, Callable
from contextlib import AbstractAsyncContextManager, aclosing, nullcontext
from typing import Protocol

import httpx2
import structlog

from app.providers.chat import END_TURN, MAX_TOKENS, ChatRequest, Finished, TextDelta
from app.providers.errors import ProviderError
from app.providers.event_source import EventTooLong
from app.providers.replicate_api import NAME, PROCESSING, SUCCEEDED, Prediction, ReplicateAPI
from app.providers.timeouts import Timeouts, until

log = structlog.get_logger(__name__)

FIRST_PAUSE_SECONDS = 0.25
LONGEST_PAUSE_SECONDS = 3.0
PAUSE_GROWTH = 1.5
# In a row. A prediction that goes well must not be given up for a moment in which it cannot be asked for.
MOST_FAILED_LOOKS = 5
CANCEL_SECONDS = 5.0
_ERROR_CODE = re.compile(r"\bE\d{3,4}\b")
_FLAGGED = re.compile(r"\bE005\b|flagged as sensitive", re.IGNORECASE)


class Wakeups(Protocol):
    """Returns after a wake, or after so many seconds."""

    async def wait(self, timeout: float) -> None: ...  # noqa: ASYNC109 it ends normally, without cancelling


Listen = Callable[[str], AbstractAsyncContextManager[Wakeups]]


def prediction_channel(prediction_id: str) -> str:
    """What is woken when the vendor says that this prediction has ended."""
    return f"bizq:prediction:{prediction_id}"


class ReplicatePredictions:
    """One client. The API takes no idempotency key."""

    name = NAME

    def __init__(
        self,
        *,
        api_token: str,
        base_url: str | None = None,
        webhook_url: str | None = None,
        listen: Listen | None = None,
        timeouts: Timeouts | None = None,
    ) -> None:
        self._timeouts = timeouts or Timeouts()
        self._listen = listen if webhook_url is not None else None
        self._api = ReplicateAPI(
            api_token=api_token, base_url=base_url, webhook_url=webhook_url, timeouts=self._timeouts
        )
        self._cancelling: set[asyncio.Task[None]] = set()

    async def stream(self, request: ChatRequest) -> AsyncGenerator[TextDelta | Finished, None]:
        deadline = asyncio.get_running_loop().time() + self._timeouts.whole_call
        answer = _Answer(request.max_tokens)
        # A task of its own: also when we are stopped now, the prediction may exist and has to be cancelled.
        creating = asyncio.create_task(self._api.create(request), name="create a prediction")
        try:
            async with asyncio.timeout_at(deadline):
                prediction = await asyncio.shield(creating)
            async with aclosing(until(deadline, self._texts(prediction, answer))) as texts:
                async for text in texts:
                    yield TextDelta(text)
        except (httpx2.TimeoutException, TimeoutError):
            raise ProviderError(NAME, "timeout", retryable=True) from None
        except httpx2.HTTPError:
            raise ProviderError(NAME, "connection", retryable=True) from None
        finally:
            if answer.ended is None:
                self._abandon(creating)
        yield answer.finished()

    async def aclose(self) -> None:
        if self._cancelling:
            await asyncio.wait(self._cancelling)
        await self._api.aclose()

    async def _texts(self, prediction: Prediction, answer: "_Answer") -> AsyncGenerator[str, None]:
        if prediction.stream_url is not None:
            async with aclosing(self._streamed(prediction.stream_url, answer)) as texts:
                async for text in texts:
                    yield text
        async with aclosing(self._polled(prediction, answer)) as texts:
            async for text in texts:
                yield text

    async def _streamed(self, url: str, answer: "_Answer") -> AsyncGenerator[str, None]:
        """Until the stream ends, in whatever way."""
        try:
            async with self._api.events(url) as events:
                async for event in events:
                    if event.kind == "output":
                        answer.said += event.data
                        yield event.data
                    elif event.kind in ("done", "error"):
                        answer.complete = event.kind == "done"
                        return
        except (httpx2.HTTPError, ProviderError, EventTooLong) as error:
            log.info("a prediction's stream broke off; it is polled now", reason=type(error).__name__)

    async def _polled(self, prediction: Prediction, answer: "_Answer") -> AsyncGenerator[str, None]:
        """What there is beyond what was said already, until the prediction has ended."""
        clock = asyncio.get_running_loop().time
        pause, failures = FIRST_PAUSE_SECONDS, 0
        changed_at = clock()
        async with self._listening(prediction.id) as wakeups:
            while True:
                try:
                    seen, prediction = prediction, await self._api.get(prediction.id)
                    failures = 0
                except (ProviderError, httpx2.HTTPError) as error:
                    failures += 1
                    pause = max(pause, _patience(error, failures))
                else:
                    if text := answer.rest(prediction):
                        yield text
                    if prediction.ended:
                        answer.ended = prediction
                        return
                    if (seen.status, seen.text) != (prediction.status, prediction.text):
                        changed_at = clock()
                # A model that has yet to be started may take its time.
                if prediction.status == PROCESSING and clock() - changed_at > self._timeouts.between_chunks:
                    raise ProviderError(NAME, "timeout", retryable=True)
                await wakeups.wait(pause)
                pause = min(pause * PAUSE_GROWTH, LONGEST_PAUSE_SECONDS)

    def _listening(self, prediction_id: str) -> AbstractAsyncContextManager[Wakeups]:
        """Begun before the prediction is read, so that no end falls between the two."""
        return nullcontext(_Sleep()) if self._listen is None else self._listen(prediction_channel(prediction_id))

    def _abandon(self, creating: asyncio.Task[Prediction]) -> None:
        """Nobody waits for this: whoever is being stopped has no time."""
        if creating.done() and (creating.cancelled() or creating.exception() is not None):
            return
        cancelling = asyncio.create_task(self._cancel(creating), name="cancel a prediction")
        self._cancelling.add(cancelling)
        cancelling.add_done_callback(self._cancelling.discard)

    async def _cancel(self, creating: asyncio.Task[Prediction]) -> None:
        try:
            async with asyncio.timeout(CANCEL_SECONDS):
                await self._api.cancel((await creating).id)
        except (ProviderError, httpx2.HTTPError, TimeoutError) as error:
            log.warning("a prediction could not be cancelled; its deadline ends it", reason=type(error).__name__)


class _Sleep:
    async def wait(self, timeout: float) -> None:  # noqa: ASYNC109 it ends normally, without cancelling
        await asyncio.sleep(timeout)


class _Answer:
    """What was said so far, whether that is all, and how the prediction ended."""

    def __init__(self, max_tokens: int) -> None:
        self.said = ""
        self.complete = False
        self.ended: Prediction | None = None
        self._max_tokens = max_tokens

    def rest(self, prediction: Prediction) -> str:
        """What the prediction's output has beyond what was said. Raises ProviderError where it has something else."""
        if self.complete or self.said.startswith(prediction.text):
            return ""
        if not prediction.text.startswith(self.said):
            raise ProviderError(NAME, "stream_cut", retryable=True)
        rest = prediction.text[len(self.said) :]
        self.said = prediction.text
        return rest

    def finished(self) -> Finished:
        """Raises ProviderError where the prediction did not succeed."""
        assert self.ended is not None
        usage = self.ended.usage
        if self.ended.status != SUCCEEDED:
            raise _failure(self.ended)
        # Why it stopped is not told.
        cut = usage is not None and usage.output_tokens >= self._max_tokens
        return Finished(MAX_TOKENS if cut else END_TURN, usage)


def _failure(prediction: Prediction) -> ProviderError:
    if prediction.status != "failed":
        # By its deadline, or by somebody in the vendor's console: nothing is wrong with the request.
        return ProviderError(NAME, "timeout", retryable=True, detail=prediction.status, usage=prediction.usage)
    if _FLAGGED.search(prediction.error):
        return ProviderError(NAME, "refused", retryable=False, usage=prediction.usage)
    code = _ERROR_CODE.search(prediction.error)
    return ProviderError(
        NAME, "server_error", retryable=True, detail=code[0].lower() if code else None, usage=prediction.usage
    )


def _patience(error: ProviderError | httpx2.HTTPError, failures: int) -> float:
    """Seconds to wait before the prediction is asked for again. Raises the error where that is of no use."""
    if failures == MOST_FAILED_LOOKS or (isinstance(error, ProviderError) and not error.retryable):
        raise error
    return (error.retry_after or 0.0) if isinstance(error, ProviderError) else 0.0
