from collections.abc import AsyncIterator
from typing import Any

import httpx
import pytest
from anthropic import AsyncAnthropic
from openai import AsyncOpenAI

OPENAI_PATH = "/openai/v1/chat/completions"
ANTHROPIC_PATH = "/anthropic/v1/messages"


@pytest.fixture
async def http(fakes: Any) -> AsyncIterator[httpx.AsyncClient]:
    async with httpx.AsyncClient(base_url=fakes.url, headers={"authorization": "Bearer key"}) as client:
        yield client


async def test_orders_over_http_happen_as_often_as_ordered_and_can_be_forgotten(
    http: httpx.AsyncClient,
) -> None:
    order = {"vendor": "openai", "kind": "rate_limit", "times": 2, "retry_after": 3}
    ask = {"model": "gpt-6-luna", "messages": [{"role": "user", "content": "Hello there"}]}

    ordered = await http.post("/_faults", json=order)
    limited = await http.post(OPENAI_PATH, json=ask)
    forgotten = await http.delete("/_faults")
    answered = await http.post(OPENAI_PATH, json=ask)

    assert (ordered.status_code, ordered.json()["times"], forgotten.status_code) == (201, 2, 204)
    assert (limited.status_code, limited.headers["retry-after"]) == (429, "3")
    assert limited.json()["error"]["code"] == "rate_limit_exceeded"
    assert limited.headers["x-request-id"] != answered.headers["x-request-id"]
    assert answered.json()["usage"]["prompt_tokens"] == 3


@pytest.mark.parametrize(
    ("order", "problem"),
    [
        (b"[]", "an order is a JSON object"),
        (b'{"vendor": "acme", "kind": "cut"}', "vendor is one of openai, anthropic"),
        (b'{"vendor": "openai", "kind": "flood"}', "kind is one of rate_limit,"),
        (b'{"vendor": "openai", "kind": "cut", "after": -1}', "after is a whole number, not below zero"),
        (b'{"vendor": "openai", "kind": "cut", "hue": 1}', "unknown fields: hue"),
        (b"{", "Expecting property name"),
    ],
)
async def test_a_wrong_order_is_explained(http: httpx.AsyncClient, order: bytes, problem: str) -> None:
    response = await http.post("/_faults", content=order)

    assert response.status_code == 400
    assert response.json()["error"].startswith(problem)


async def test_the_journal_tells_what_was_asked_and_served_but_no_key(http: httpx.AsyncClient) -> None:
    before = (await http.get("/_requests")).json()["anthropic"]
    ask = {"model": "claude-haiku-5-5", "max_tokens": 50, "messages": [{"role": "user", "content": "Hello"}]}

    answer = await http.post(ANTHROPIC_PATH, json=ask, headers={"anthropic-version": "2023-06-01"})
    after = (await http.get("/_requests")).json()["anthropic"]

    assert after["calls"] == before["calls"] + 1
    assert after["output_tokens"] - before["output_tokens"] == answer.json()["usage"]["output_tokens"] == 50
    last = after["requests"][-1]
    assert (last["path"], last["body"], last["outcome"]) == ("/anthropic/v1/messages", ask, "completed")
    assert "Bearer" not in str(after)


@pytest.mark.parametrize(
    ("path", "body", "message"),
    [
        (OPENAI_PATH, b"not json", "you must provide a model parameter"),
        (OPENAI_PATH, b'{"model": "m", "messages": []}', "Missing required parameter: 'messages'."),
        (ANTHROPIC_PATH, b'{"model": "m"}', "max_tokens: Field required"),
        (ANTHROPIC_PATH, b"[1]", "model: Field required"),
    ],
)
async def test_nonsense_is_refused_in_the_vendors_words(
    http: httpx.AsyncClient, path: str, body: bytes, message: str
) -> None:
    response = await http.post(path, content=body, headers={"anthropic-version": "2026-10-21"})

    assert response.status_code == 400
    assert response.json()["error"]["type"] == "invalid_request_error"
    assert response.json()["error"]["message"] == message


@pytest.mark.parametrize("path", [OPENAI_PATH, ANTHROPIC_PATH])
async def test_a_missing_key_is_refused(fakes: Any, path: str) -> None:
    async with httpx.AsyncClient(base_url=fakes.url) as client:
        response = await client.post(path, json={})

    assert response.status_code == 401
    assert response.headers.get("x-request-id", response.headers.get("request-id")).startswith("req_")


async def test_anthropic_streams_the_documented_sequence_of_events(http: httpx.AsyncClient) -> None:
    ask = {"model": "claude-haiku-5-5", "max_tokens": 5, "messages": [{"role": "user", "content": "Hello"}]}

    answer = await http.post(ANTHROPIC_PATH, json=ask | {"stream": True}, headers={"anthropic-version": "2026-10-21"})

    names = [line.removeprefix("event: ") for line in answer.text.splitlines() if line.startswith("event: ")]
    start = ["message_start", "content_block_start", "ping"]
    end = ["content_block_stop", "message_delta", "message_stop"]
    assert names == [*start, *["content_block_delta"] * 20, *end]


async def test_the_sdks_read_whole_answers_too(fakes: Any) -> None:
    async with AsyncOpenAI(api_key="key", base_url=f"{fakes.url}/openai/v1") as openai:
        models = [model.id async for model in openai.models.list()]
        completion = await openai.chat.completions.create(
            model=models[0], messages=[{"role": "user", "content": "Hello there"}]
        )
    async with AsyncAnthropic(api_key="key", base_url=f"{fakes.url}/anthropic") as anthropic:
        message = await anthropic.messages.create(
            model="claude-haiku-5-5", max_tokens=9, messages=[{"role": "user", "content": "Hello there"}]
        )

    assert (completion.choices[0].message.content or "").startswith("Hello there Hello")
    assert (message.stop_reason, message.usage.input_tokens) == ("max_tokens", 3)
