"""What is Hugging Face's own, beside OpenAI's wire format."""

import dataclasses
from collections.abc import Awaitable, Callable
from typing import Any

import pytest

from app.providers.chat import ChatProvider, ChatRequest, Finished
from app.providers.errors import ProviderError
from app.providers.openai_chat import OpenAIChat
from app.providers.registry import HUGGINGFACE_ROUTER, build_providers

Run = Callable[[ChatProvider, ChatRequest], Awaitable[tuple[list[str], Finished | ProviderError]]]
SCHEMA = {"type": "object", "properties": {"tone": {"enum": ["warm", "plain"]}}, "required": ["tone"]}


@pytest.fixture(params=["huggingface"])
def vendor(request: pytest.FixtureRequest) -> str:
    return str(request.param)


async def test_a_schema_is_asked_for_in_both_ways(fakes: Any, run: Run, chat_request: ChatRequest) -> None:
    _, ending = await run(fakes.provider("huggingface"), dataclasses.replace(chat_request, json_schema=SCHEMA))

    body = fakes.last_call("huggingface").body
    assert isinstance(ending, Finished)
    assert body["response_format"]["json_schema"]["schema"] == SCHEMA
    assert body["messages"][0]["content"].endswith("</json_schema>")


async def test_a_model_that_no_partner_serves_is_looked_for_elsewhere(
    fakes: Any, run: Run, chat_request: ChatRequest
) -> None:
    _, ending = await run(fakes.provider("huggingface"), dataclasses.replace(chat_request, model="llama"))

    assert isinstance(ending, ProviderError)
    assert (ending.reason, ending.retryable, ending.moves_on) == ("not_found", False, True)


@pytest.mark.parametrize(("base_url", "expected"), [(None, HUGGINGFACE_ROUTER), ("https://e.hf/v1", "https://e.hf/v1")])
async def test_the_router_is_asked_where_there_is_no_endpoint(base_url: str | None, expected: str) -> None:
    providers = build_providers(
        openai_api_key=None,
        openai_base_url=None,
        anthropic_api_key=None,
        anthropic_base_url=None,
        huggingface_api_key="hf_key",
        huggingface_base_url=base_url,
        local_base_url=None,
    )

    provider = providers.get("huggingface")
    await providers.aclose()

    assert isinstance(provider, OpenAIChat)
    assert str(provider._client.base_url) == f"{expected}/"
