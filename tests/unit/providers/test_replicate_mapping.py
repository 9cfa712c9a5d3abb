"""What is sent to Replicate, and what its answers mean."""

import dataclasses
from typing import Any

import httpx2
import pytest

from app.providers.chat import END_TURN, MAX_TOKENS, ChatRequest, Finished, Message, Usage
from app.providers.errors import ProviderError
from app.providers.replicate_api import ReplicateAPI, prediction_input
from app.providers.replicate_predictions import _Answer
from app.providers.timeouts import Timeouts

REQUEST = ChatRequest("meta/m", "Be brief.", (Message("user", "Hello"),), 50)


def answered(status_code: int, body: Any, headers: dict[str, str] | None = None) -> httpx2.Response:
    return httpx2.Response(status_code, json=body, headers=headers)


async def read(body: dict[str, Any], status_code: int = 200, headers: dict[str, str] | None = None) -> Any:
    api = ReplicateAPI(api_token="t", base_url=None, webhook_url=None, timeouts=Timeouts())
    try:
        return api._prediction(answered(status_code, body, headers))
    finally:
        await api.aclose()


def test_a_question_is_the_prompt_as_it_is() -> None:
    assert prediction_input(REQUEST) == {"prompt": "Hello", "system_prompt": "Be brief.", "max_tokens": 50}


def test_a_conversation_becomes_a_transcript() -> None:
    turns = (Message("user", "Hello"), Message("assistant", "Hi"), Message("user", "Again"))

    asked = prediction_input(dataclasses.replace(REQUEST, messages=turns))

    assert asked["prompt"] == "User: Hello\n\nAssistant: Hi\n\nUser: Again\n\nAssistant:"


def test_a_schema_is_told_in_the_instructions() -> None:
    asked = prediction_input(dataclasses.replace(REQUEST, json_schema={"type": "object"}))

    assert asked["system_prompt"].startswith("Be brief.\n\nAnswer with one JSON value")
    assert asked["system_prompt"].endswith('<json_schema>\n{"type": "object"}\n</json_schema>')


@pytest.mark.parametrize(("wanted", "sent"), [(0.0, 0.01), (0.7, 0.7)])
def test_temperature_is_never_zero(wanted: float, sent: float) -> None:
    assert prediction_input(dataclasses.replace(REQUEST, temperature=wanted))["temperature"] == sent


@pytest.mark.parametrize(
    ("body", "headers", "wait"),
    [
        ({"detail": "Request was throttled. Your rate limit resets in ~30s."}, {}, 30),
        ({"detail": "Request was throttled.", "retry_after": 9}, {}, 9),
        ({"detail": "Your rate limit resets in ~30s."}, {"retry-after": "7"}, 7),
        ({"detail": "Request was throttled."}, {}, None),
        ([], {}, None),
    ],
)
async def test_the_wait_is_read_from_wherever_it_is(body: Any, headers: dict[str, str], wait: float | None) -> None:
    with pytest.raises(ProviderError) as refused:
        await read(body, 429, headers)

    assert (refused.value.reason, refused.value.retry_after) == ("rate_limited", wait)


@pytest.mark.parametrize("body", [{}, [], {"id": 7}, {"status": "succeeded"}])
async def test_what_is_no_prediction_is_the_vendors_fault(body: Any) -> None:
    with pytest.raises(ProviderError) as broken:
        await read(body)

    assert (broken.value.reason, broken.value.retryable) == ("server_error", True)


@pytest.mark.parametrize(
    ("output", "text"),
    [(None, ""), ("whole", "whole"), (["pie", "ces"], "pieces"), ([{"not": "text"}, "x"], "x"), (7, "")],
)
async def test_the_output_is_its_text(output: Any, text: str) -> None:
    assert (await read({"id": "p", "output": output})).text == text


@pytest.mark.parametrize(
    ("url", "trusted"),
    [
        ("https://stream.replicate.com/v1/files/x", True),
        ("http://stream.replicate.com/v1/files/x", False),
        (None, False),
        (["https://x"], False),
    ],
)
async def test_the_token_goes_over_encrypted_connections_only(url: Any, trusted: bool) -> None:
    assert ((await read({"id": "p", "urls": {"stream": url}})).stream_url is not None) is trusted


async def ended(**body: Any) -> Finished:
    answer = _Answer(REQUEST.max_tokens)
    answer.ended = await read({"id": "p", **body})
    return answer.finished()


@pytest.mark.parametrize(
    ("metrics", "finished"),
    [
        ({"input_token_count": 4, "output_token_count": 9, "predict_time": 1.5}, Finished(END_TURN, Usage(4, 9))),
        ({"input_token_count": 4, "output_token_count": 50}, Finished(MAX_TOKENS, Usage(4, 50))),
        ({"input_token_count": 0, "output_token_count": 0}, Finished(END_TURN, Usage(0, 0))),
        ({"predict_time": 1.5}, Finished(END_TURN, None)),
        ({"output_token_count": 9}, Finished(END_TURN, None)),
        (None, Finished(END_TURN, None)),
    ],
)
async def test_usage_is_what_the_metrics_count(metrics: Any, finished: Finished) -> None:
    assert await ended(status="succeeded", metrics=metrics) == finished


@pytest.mark.parametrize(
    ("status", "error", "expected"),
    [
        ("failed", "CUDA error: the prompt was Hello", ("server_error", True, "replicate: the service failed.")),
        ("failed", "Please retry. (E1000)", ("server_error", True, "replicate: the service failed (e1000).")),
        ("failed", "flagged as sensitive (E005)", ("refused", False, "replicate: the model declined to answer.")),
        ("canceled", None, ("timeout", True, "replicate: no answer in time (canceled).")),
        ("aborted", None, ("timeout", True, "replicate: no answer in time (aborted).")),
    ],
)
async def test_an_end_that_is_no_success_says_whether_to_try_again(
    status: str, error: str | None, expected: tuple[str, bool, str]
) -> None:
    with pytest.raises(ProviderError) as failed:
        await ended(status=status, error=error, metrics={"input_token_count": 4, "output_token_count": 2})

    assert (failed.value.reason, failed.value.retryable, failed.value.message) == expected
    assert failed.value.usage == Usage(4, 2)
    assert failed.value.moves_on is failed.value.retryable
