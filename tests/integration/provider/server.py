"""A model's server as a company runs one: it speaks chat completions, and remembers who asked what."""

import json
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

from starlette.applications import Starlette
from starlette.requests import Request
from starlette.responses import Response, StreamingResponse
from starlette.routing import Route

ANSWER = "Snow delays the parcel to Oslo."
Behave = Callable[[Request], Response]


def chunk(delta: dict[str, Any], **more: Any) -> dict[str, Any]:
    choice = {"index": 0, "delta": delta, "finish_reason": more.pop("finish_reason", None)}
    return {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": [choice], **more}


def streaming(*chunks: dict[str, Any], headers: dict[str, str] | None = None) -> Behave:
    """These, then the end."""

    async def events() -> AsyncIterator[bytes]:
        for each in chunks:
            yield b"data: " + json.dumps(each).encode() + b"\n\n"
        yield b"data: [DONE]\n\n"

    return lambda _: StreamingResponse(events(), media_type="text/event-stream", headers=headers)


def answering(text: str = ANSWER, *, tokens: tuple[Any, Any] = (11, 7)) -> Behave:
    usage = {"prompt_tokens": tokens[0], "completion_tokens": tokens[1], "total_tokens": 18}
    return streaming(chunk({"content": text}), chunk({}, finish_reason="stop", usage=usage))


def refusing(status: int, **headers: str) -> Behave:
    return lambda _: Response(b'{"error": {"message": "no"}}', status, headers, "application/json")


@dataclass
class ModelServer:
    """`asked` are headers and body of each request; `behave` answers them."""

    asked: list[tuple[dict[str, str], dict[str, Any]]] = field(default_factory=list)
    behave: Behave = field(default_factory=answering)

    @property
    def keys(self) -> list[str]:
        return [headers["authorization"].removeprefix("Bearer ") for headers, _ in self.asked]

    def app(self) -> Starlette:
        async def complete(request: Request) -> Response:
            self.asked.append((dict(request.headers), json.loads(await request.body())))
            return self.behave(request)

        return Starlette(routes=[Route("/v1/chat/completions", complete, methods=["POST"])])
