"""One vocabulary for every language model vendor: what we ask, and what comes back as a stream."""

from collections.abc import AsyncGenerator, Mapping
from dataclasses import dataclass
from typing import Any, Literal, Protocol

END_TURN = "end_turn"
MAX_TOKENS = "max_tokens"


@dataclass(frozen=True, slots=True)
class Message:
    role: Literal["user", "assistant"]
    text: str


@dataclass(frozen=True, slots=True)
class ChatRequest:
    """`max_tokens` bounds the whole output, a reasoning model's hidden thinking included.

    `temperature` is a wish: it is left out for models that refuse it. `json_schema` (draft 2020-12) asks for
    one JSON value that fits it; vendors enforce only a part of JSON Schema, so validate what comes back.
    `idempotency_key` is sent where the vendor takes one.
    """

    model: str
    system: str
    messages: tuple[Message, ...]
    max_tokens: int
    temperature: float | None = None
    json_schema: Mapping[str, Any] | None = None
    idempotency_key: str | None = None


@dataclass(frozen=True, slots=True)
class TextDelta:
    text: str


@dataclass(frozen=True, slots=True)
class Usage:
    """Tokens as the vendor counts them. `cached_input_tokens` is a part of `input_tokens`. Zero is zero."""

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int = 0


@dataclass(frozen=True, slots=True)
class Finished:
    """The model stopped. `stop_reason` is END_TURN, MAX_TOKENS (cut short) or a vendor's own rarer word.

    `usage` is None where the vendor sent none: the caller estimates.
    """

    stop_reason: str
    usage: Usage | None


class ChatProvider(Protocol):
    """A vendor. `stream` yields text as it is written, then exactly one Finished, or raises ProviderError.

    Closing the generator closes the vendor's connection at once, so wrap it in `contextlib.aclosing`.
    """

    name: str

    def stream(self, request: ChatRequest) -> AsyncGenerator[TextDelta | Finished, None]: ...

    async def aclose(self) -> None: ...
