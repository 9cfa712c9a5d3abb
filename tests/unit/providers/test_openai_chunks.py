"""Servers that speak OpenAI's format put the counts where they like."""

from typing import Any

import pytest
from openai.types.chat import ChatCompletionChunk

from app.providers.chat import END_TURN, Finished, Usage
from app.providers.openai_chat import _Answer


def chunk(text: str | None = None, *, finish: str | None = None, usage: Any = None) -> ChatCompletionChunk:
    choices = [{"index": 0, "delta": {"content": text}, "finish_reason": finish}] if text or finish else []
    return ChatCompletionChunk.model_validate(
        {"id": "c", "object": "chat.completion.chunk", "created": 0, "model": "m", "choices": choices, "usage": usage}
    )


def counts(sent: int, received: int) -> dict[str, int]:
    return {"prompt_tokens": sent, "completion_tokens": received, "total_tokens": sent + received}


@pytest.mark.parametrize(
    "chunks",
    [
        [chunk("Hi"), chunk(finish="stop"), chunk(usage=counts(4, 2))],
        [chunk("Hi"), chunk(finish="stop", usage=counts(4, 2))],
        [chunk("Hi", usage=counts(4, 1)), chunk(finish="stop", usage=counts(4, 2))],
        [chunk("Hi", usage=counts(4, 2)), chunk(finish="stop"), chunk()],
    ],
)
def test_the_last_usage_counts_wherever_it_comes(chunks: list[ChatCompletionChunk]) -> None:
    answer = _Answer("huggingface")

    texts = [text for each in chunks for text in answer.read(each)]

    assert texts == ["Hi"]
    assert answer.finished() == Finished(END_TURN, Usage(4, 2))
