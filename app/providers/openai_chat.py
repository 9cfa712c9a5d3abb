"""OpenAI's Chat Completions, and every server that speaks them: llama.cpp, vLLM, Ollama, Hugging Face.

Wire format: developers.openai.com/api/reference/resources/chat (streaming: chunks, the last with a
finish_reason, one with usage and no choices, then `[DONE]`), through the official SDK.

Hugging Face (huggingface.co/docs/inference-providers, read 2026-11): a router to partners, one of which a model's
name may end with (`:together`), or an address of one's own (Inference Endpoints: TGI, vLLM). The partners differ.
Usage comes in a chunk of its own, in the last one, or in each with the counts so far: the last one said counts. Not
all enforce a schema, and some ignore it without a word: there it is told in the instructions as well. An error's
body may be one sentence instead of an object: its status says enough.
"""

import asyncio
import json
from collections.abc import AsyncGenerator, Mapping
from contextlib import aclosing
from typing import Any, cast

import httpx2
from openai import (
    APIConnectionError,
    APIError,
    APIStatusError,
    APITimeoutError,
    AsyncOpenAI,
    AsyncStream,
    OpenAIError,
    Timeout,
    omit,
)
from openai.types import CompletionUsage
from openai.types.chat import ChatCompletionChunk, ChatCompletionMessageParam
from openai.types.shared_params import ResponseFormatJSONSchema

from app.providers.chat import END_TURN, MAX_TOKENS, ChatRequest, Finished, TextDelta, Usage
from app.providers.errors import ProviderError, from_status, from_stream_event
from app.providers.guarded import Refused
from app.providers.schema_in_words import with_schema
from app.providers.strict_schema import strict_schema
from app.providers.timeouts import Timeouts, until

_STOP_REASONS = {"stop": END_TURN, "length": MAX_TOKENS}
# Reasoning models refuse sampling parameters unless reasoning is off (OpenAI, "Reasoning models", 2026-11).
_REASONING_MODELS = ("gpt-5", "gpt-6", "o1", "o3", "o4")


class OpenAIChat:
    """One client of one server. `name` is "openai" for the vendor, anything else for compatible servers.

    Those get the older `max_tokens`, and the JSON schema as it is, which llama.cpp turns into a grammar;
    "huggingface" gets it in words too.
    """

    def __init__(
        self,
        name: str,
        *,
        api_key: str,
        base_url: str | None = None,
        timeouts: Timeouts | None = None,
        http_client: httpx2.AsyncClient | None = None,
    ) -> None:
        self.name = name
        self._timeouts = timeouts or Timeouts()
        self._client = AsyncOpenAI(
            api_key=api_key,
            base_url=base_url,
            max_retries=0,  # the engine retries, with its own count and its own clock
            timeout=Timeout(self._timeouts.between_chunks, connect=self._timeouts.connect),
            http_client=http_client,
        )

    async def stream(self, request: ChatRequest) -> AsyncGenerator[TextDelta | Finished, None]:
        deadline = asyncio.get_running_loop().time() + self._timeouts.whole_call
        answer = _Answer(self.name)
        try:
            async with asyncio.timeout_at(deadline):
                chunks = await self._open(request)
            answer.begun = True
            async with chunks, aclosing(until(deadline, chunks)) as timely:
                async for chunk in timely:
                    for text in answer.read(chunk):
                        yield TextDelta(text)
        except (OpenAIError, TimeoutError, json.JSONDecodeError) as error:
            raise self._translated(error, begun=answer.begun) from None  # its text may quote the prompt
        yield answer.finished()

    async def aclose(self) -> None:
        await self._client.close()

    async def _open(self, request: ChatRequest) -> AsyncStream[ChatCompletionChunk]:
        native = self.name == "openai"
        temperature = None if request.model.startswith(_REASONING_MODELS) else request.temperature
        return await self._client.chat.completions.create(
            model=request.model,
            messages=_messages(request, self._system(request)),
            stream=True,
            stream_options={"include_usage": True},
            max_completion_tokens=request.max_tokens if native else omit,
            max_tokens=omit if native else request.max_tokens,
            temperature=omit if temperature is None else temperature,
            response_format=_response_format(request.json_schema, native=native) or omit,
            # OpenAI documents no idempotency for inference; gateways in front of compatible servers do.
            extra_headers={"Idempotency-Key": request.idempotency_key} if request.idempotency_key else None,
        )

    def _system(self, request: ChatRequest) -> str:
        if request.json_schema is None or self.name != "huggingface":
            return request.system
        return with_schema(request.system, request.json_schema)

    def _translated(self, error: Exception, *, begun: bool) -> ProviderError:
        """The only place that knows the SDK's exceptions."""
        match error:
            case APITimeoutError() | TimeoutError():
                return ProviderError(self.name, "timeout", retryable=True)
            case APIConnectionError(__cause__=Refused(reason=reason)):
                return ProviderError(self.name, reason, retryable=False)
            case APIConnectionError():
                return ProviderError(self.name, "stream_cut" if begun else "connection", retryable=True)
            case APIStatusError():
                return from_status(self.name, error.status_code, _words(error), error.response.headers)
            case APIError() if begun:
                return from_stream_event(self.name, _words(error))
            case json.JSONDecodeError():  # a chunk that breaks off in the middle of its JSON
                return ProviderError(self.name, "stream_cut", retryable=True)
            case _:
                return ProviderError(self.name, "bad_request", retryable=False)


class _Answer:
    """What the chunks have said so far about how the answer ends."""

    def __init__(self, provider: str) -> None:
        self.begun = False
        self._provider = provider
        self._stop_reason: str | None = None
        self._refused = False
        self._usage: Usage | None = None

    def read(self, chunk: ChatCompletionChunk) -> list[str]:
        """The text of one chunk, in pieces; usage, refusal and stop reason are remembered."""
        self._usage = _usage(chunk.usage) or self._usage
        for choice in chunk.choices:
            self._stop_reason = choice.finish_reason or self._stop_reason
            self._refused = self._refused or bool(choice.delta.refusal)
        return [choice.delta.content for choice in chunk.choices if choice.delta.content]

    def finished(self) -> Finished:
        if self._stop_reason is None:
            raise ProviderError(self._provider, "stream_cut", retryable=True)
        if self._refused or self._stop_reason == "content_filter":
            raise ProviderError(self._provider, "refused", retryable=False, usage=self._usage)
        return Finished(_STOP_REASONS.get(self._stop_reason, self._stop_reason), self._usage)


def _messages(request: ChatRequest, instructions: str) -> list[ChatCompletionMessageParam]:
    system = [{"role": "system", "content": instructions}] if instructions else []
    turns = [{"role": message.role, "content": message.text} for message in request.messages]
    return cast("list[ChatCompletionMessageParam]", [*system, *turns])


def _response_format(schema: Mapping[str, Any] | None, *, native: bool) -> ResponseFormatJSONSchema | None:
    """`strict` only for a schema that OpenAI would take as strict; else it is a hint, to OpenAI at least."""
    if schema is None:
        return None
    narrowed = strict_schema(schema)
    strict = narrowed is not None if native else narrowed == schema
    sent = narrowed if native and narrowed else dict(schema)
    return {"type": "json_schema", "json_schema": {"name": "answer", "schema": sent, "strict": strict}}


def _usage(sent: CompletionUsage | None) -> Usage | None:
    """None also for a usage object without its counts, which some compatible servers send."""
    if sent is None or sent.prompt_tokens is None or sent.completion_tokens is None:
        return None
    details = sent.prompt_tokens_details
    return Usage(sent.prompt_tokens, sent.completion_tokens, (details and details.cached_tokens) or 0)


def _words(error: APIError) -> tuple[str, ...]:
    return tuple(str(word) for word in (error.code, error.type) if word)
