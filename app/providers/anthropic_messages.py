"""Anthropic's Messages API through the official SDK (API version 2026-10-21).

Wire format: platform.claude.com/docs/en/build-with-claude/streaming (message_start, content blocks,
message_delta with the cumulative usage, message_stop). Structured output: `output_config.format`, generally
available, see platform.claude.com/docs/en/build-with-claude/structured-outputs. Forcing a tool instead is
refused by newer models.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, cast

import httpx2
from anthropic import (
    AnthropicError,
    APIConnectionError,
    APIStatusError,
    APITimeoutError,
    AsyncAnthropic,
    AsyncStream,
    Omit,
    Timeout,
    omit,
    transform_schema,
)
from anthropic.types import MessageDeltaUsage, MessageParam, OutputConfigParam, RawMessageStreamEvent
from anthropic.types import Usage as StartUsage

from app.providers.chat import MAX_TOKENS, ChatRequest, Finished, TextDelta, Usage
from app.providers.errors import ProviderError, from_status, from_stream_event
from app.providers.schema_in_words import with_schema
from app.providers.strict_schema import strict_schema
from app.providers.timeouts import Timeouts, until

_STOP_REASONS = {"model_context_window_exceeded": MAX_TOKENS}  # the others are our own words already


class AnthropicMessages:
    """One client. The API has no temperature any more and takes no idempotency key: both are left out."""

    name = "anthropic"

    def __init__(
        self,
        *,
        api_key: str,
        base_url: str | None = None,
        timeouts: Timeouts | None = None,
        http_client: httpx2.AsyncClient | None = None,
    ) -> None:
        self._timeouts = timeouts or Timeouts()
        self._client = AsyncAnthropic(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,  # the engine retries, with its own count and its own clock
            timeout=Timeout(self._timeouts.between_chunks, connect=self._timeouts.connect),
            http_client=http_client,
        )

    async def stream(self, request: ChatRequest) -> AsyncGenerator[TextDelta | Finished, None]:
        deadline = asyncio.get_running_loop().time() + self._timeouts.whole_call
        answer = _Answer()
        try:
            async with asyncio.timeout_at(deadline):
                events = await self._open(request)
            answer.begun = True
            async with events, aclosing(until(deadline, events)) as timely:
                async for event in timely:
                    text = answer.read(event)
                    if text:
                        yield TextDelta(text)
        except (AnthropicError, httpx2.HTTPError, TimeoutError, json.JSONDecodeError) as error:
            raise self._translated(error, begun=answer.begun) from None  # its text may quote the prompt
        yield answer.finished()

    async def aclose(self) -> None:
        await self._client.close()

    async def _open(self, request: ChatRequest) -> AsyncStream[RawMessageStreamEvent]:
        output_config = _output_config(request.json_schema)
        system = request.system
        if request.json_schema is not None and output_config is omit:
            system = with_schema(system, request.json_schema)
        turns = [{"role": message.role, "content": message.text} for message in request.messages]
        return await self._client.messages.create(
            model=request.model,
            max_tokens=request.max_tokens,
            system=system or omit,
            messages=cast("list[MessageParam]", turns),
            output_config=output_config,
            stream=True,
        )

    def _translated(self, error: Exception, *, begun: bool) -> ProviderError:
        """The only place that knows the SDK's exceptions and, inside a stream, those of its HTTP client."""
        match error:
            case APITimeoutError() | httpx2.TimeoutException() | TimeoutError():
                return ProviderError(self.name, "timeout", retryable=True)
            case APIConnectionError() | httpx2.HTTPError():
                return ProviderError(self.name, "stream_cut" if begun else "connection", retryable=True)
            case APIStatusError() if begun:  # an `error` event; the status is that of the stream: 200
                return from_stream_event(self.name, _words(error))
            case APIStatusError():
                return from_status(self.name, error.status_code, _words(error), error.response.headers)
            case json.JSONDecodeError():  # an event that breaks off in the middle of its JSON
                return ProviderError(self.name, "stream_cut", retryable=True)
            case _:
                return ProviderError(self.name, "bad_request", retryable=False)


class _Answer:
    """What the events have said so far about how the answer ends."""

    def __init__(self) -> None:
        self.begun = False
        self._stopped = False
        self._stop_reason: str | None = None
        self._start: StartUsage | None = None
        self._usage: Usage | None = None

    def read(self, event: RawMessageStreamEvent) -> str | None:
        """The text an event carries, if any. Thinking is not part of the answer."""
        match event.type:
            case "content_block_delta" if event.delta.type == "text_delta":
                return event.delta.text
            case "message_start":
                self._start = event.message.usage
            case "message_delta":
                self._stop_reason = event.delta.stop_reason or self._stop_reason
                self._usage = _usage(self._start, event.usage) or self._usage
            case "message_stop":
                self._stopped = True
        return None

    def finished(self) -> Finished:
        if not self._stopped or self._stop_reason is None:
            raise ProviderError(AnthropicMessages.name, "stream_cut", retryable=True)
        if self._stop_reason == "refusal":
            raise ProviderError(AnthropicMessages.name, "refused", retryable=False, usage=self._usage)
        return Finished(_STOP_REASONS.get(self._stop_reason, self._stop_reason), self._usage)


def _output_config(schema: Mapping[str, Any] | None) -> OutputConfigParam | Omit:
    """The API enforces closed objects only. `omit` where a schema needs more: the prompt must ask for it."""
    if schema is None or strict_schema(schema) is None:
        return omit
    # The SDK's own translation keeps optional properties and turns limits the API lacks into descriptions.
    return {"format": {"type": "json_schema", "schema": transform_schema(dict(schema))}}


def _usage(start: StartUsage | None, end: MessageDeltaUsage | None) -> Usage | None:
    """The final counts. Anthropic counts cached input apart: the input is the sum of three."""
    if end is None or end.output_tokens is None:
        return None
    source = end if end.input_tokens is not None else start
    if source is None or source.input_tokens is None:
        return None
    cached = source.cache_read_input_tokens or 0
    written = source.cache_creation_input_tokens or 0
    return Usage(source.input_tokens + cached + written, end.output_tokens, cached)


def _words(error: APIStatusError) -> tuple[str, ...]:
    return tuple(word for word in (error.error_code, error.type) if isinstance(word, str))
