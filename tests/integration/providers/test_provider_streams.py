import asyncio
import dataclasses
import json
from collections.abc import Awaitable, Callable
from contextlib import aclosing
from typing import Any

import jsonschema

from app.fakes.journal import Call
from app.providers.chat import MAX_TOKENS, ChatProvider, ChatRequest, Finished, TextDelta, Usage
from app.providers.errors import ProviderError
from app.providers.registry import build_providers
from tests.integration.providers.vendors import LEFT

Run = Callable[[ChatProvider, ChatRequest], Awaitable[tuple[list[str], Finished | ProviderError]]]
REPLY_SCHEMA = {
    "type": "object",
    "properties": {
        "subject": {"type": "string", "minLength": 1, "maxLength": 60},
        "body": {"type": "string"},
        "tone": {"enum": ["warm", "plain"]},
    },
    "required": ["subject", "body"],
}
MAP_SCHEMA = {
    "type": "object",
    "properties": {"values": {"type": "object", "additionalProperties": {"type": "string"}}},
    "required": ["values"],
}


async def test_text_streams_and_usage_is_what_the_vendor_counted(
    fakes: Any, vendor: str, run: Run, chat_request: ChatRequest
) -> None:
    texts, ending = await run(fakes.provider(vendor), chat_request)

    assert "".join(texts).startswith("Where is my parcel It was due on Monday and nobody answers. ")
    assert 20 <= len(texts) <= 60
    # 21 characters of system prompt and 74 of question (openai's fake joins them with a line feed).
    assert ending == Finished("end_turn", Usage(24, -(-len("".join(texts)) // 4), 0))


async def test_structured_output_is_valid(fakes: Any, vendor: str, run: Run, chat_request: ChatRequest) -> None:
    asked = dataclasses.replace(chat_request, json_schema=REPLY_SCHEMA)

    texts, ending = await run(fakes.provider(vendor), asked)

    assert isinstance(ending, Finished)
    jsonschema.validate(json.loads("".join(texts)), REPLY_SCHEMA)


async def test_a_map_with_free_keys_is_asked_for_although_strict_mode_cannot_express_it(
    fakes: Any, vendor: str, run: Run, chat_request: ChatRequest
) -> None:
    asked = dataclasses.replace(chat_request, json_schema=MAP_SCHEMA)

    texts, ending = await run(fakes.provider(vendor), asked)

    assert isinstance(ending, Finished)
    assert json.loads("".join(texts))["values"]["where"].startswith("Is my parcel")


async def test_an_answer_cut_by_max_tokens_says_so(
    fakes: Any, vendor: str, run: Run, chat_request: ChatRequest
) -> None:
    texts, ending = await run(fakes.provider(vendor), dataclasses.replace(chat_request, max_tokens=5))

    assert len("".join(texts)) == 20
    assert ending == Finished(MAX_TOKENS, Usage(24, 5, 0))


async def test_each_server_is_spoken_to_in_its_dialect(
    fakes: Any, vendor: str, run: Run, chat_request: ChatRequest
) -> None:
    await run(fakes.provider(vendor), dataclasses.replace(chat_request, idempotency_key="attempt-1"))

    call: Call = fakes.last_call(vendor)
    sent = {name for name in ("max_tokens", "max_completion_tokens", "temperature") if name in call.body}
    assert (
        sent
        == {
            "openai": {"max_completion_tokens"},  # a reasoning model: temperature would be refused
            "huggingface": {"max_tokens", "temperature"},
            "replicate": set(),  # they are in its `input`
            "local": {"max_tokens", "temperature"},
            "anthropic": {"max_tokens"},
        }[vendor]
    )
    assert call.headers.get("idempotency-key") == (None if vendor in ("anthropic", "replicate") else "attempt-1")


async def test_closing_the_generator_closes_the_connection(fakes: Any, vendor: str, chat_request: ChatRequest) -> None:
    fakes.order(vendor, "slow", delay=0.02)

    async with aclosing(fakes.provider(vendor).stream(chat_request)) as stream:
        first = await anext(stream)

    call: Call = fakes.last_call(vendor)
    await asyncio.wait_for(call.ended.wait(), 5)
    assert isinstance(first, TextDelta)
    assert call.outcome == LEFT.get(vendor, "disconnected")
    assert call.deltas < 5


async def test_cancelling_the_consumer_closes_the_connection(
    fakes: Any, vendor: str, chat_request: ChatRequest
) -> None:
    fakes.order(vendor, "slow", delay=0.02)
    streaming = asyncio.Event()

    async def consume() -> None:
        async for _ in fakes.provider(vendor).stream(chat_request):
            streaming.set()

    consuming = asyncio.create_task(consume())
    await streaming.wait()
    consuming.cancel()
    await asyncio.wait({consuming})

    await asyncio.wait_for(fakes.last_call(vendor).ended.wait(), 5)
    assert consuming.cancelled()
    assert fakes.last_call(vendor).outcome == LEFT.get(vendor, "disconnected")


async def test_the_registry_builds_what_is_configured(
    fakes: Any, run: Run, vendor: str, chat_request: ChatRequest
) -> None:
    providers = build_providers(
        openai_api_key="key",
        openai_base_url=f"{fakes.url}/openai/v1",
        anthropic_api_key="key",
        anthropic_base_url=f"{fakes.url}/anthropic",
        huggingface_api_key="key",
        huggingface_base_url=f"{fakes.url}/huggingface/v1",
        replicate_api_token="key",
        replicate_base_url=f"{fakes.url}/replicate",
        local_base_url=f"{fakes.url}/openai/v1",
    )

    _, ending = await run(providers.get(vendor), chat_request)
    await providers.aclose()

    assert providers.names() == ("openai", "anthropic", "huggingface", "replicate", "local")
    assert isinstance(ending, Finished)
