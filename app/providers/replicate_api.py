"""Replicate's HTTP API, as far as language models need it.

Wire format: replicate.com/docs/reference/http; statuses, deadlines and limits in /docs/topics/predictions/lifecycle and
/rate-limits, streams in /docs/topics/predictions/streaming, error codes in /docs/reference/error-codes (read 2026-11).

A prediction is created with `input` and goes from `starting` over `processing` to `succeeded`, `failed`, `canceled` or
`aborted`. The input of the chat models there is `prompt`, `system_prompt`, `max_tokens` and `temperature`; the output
is a list of pieces of text; `metrics` has `input_token_count` and `output_token_count` for models that are priced by
the token. `urls.stream`, where a model can stream, is an event stream of `output` (plain text), `error` and `done`.

Not through the vendor's SDK (replicate 1.0.7), which is in the way: it repeats every read that is refused up to ten
times by itself, and that cannot be turned off; it drops Retry-After; it does not tell the id of the prediction that it
streams, so that nobody could cancel it; and its connections cannot be closed.
"""

import math
import re
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import aclosing, asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import quote, urlsplit

import httpx2

from app.providers.chat import ChatRequest, Usage
from app.providers.errors import ProviderError, from_status
from app.providers.event_source import ServerSentEvent, read_events
from app.providers.schema_in_words import with_schema
from app.providers.timeouts import Timeouts

NAME = "replicate"
BASE_URL = "https://api.replicate.com"
SUCCEEDED, PROCESSING = "succeeded", "processing"
ENDED = frozenset({SUCCEEDED, "failed", "canceled", "aborted"})
# The shortest that is accepted.
LEAST_DEADLINE_SECONDS = 5
# Some models refuse zero, and this is as good as zero.
LEAST_TEMPERATURE = 0.01
# owner/name, or owner/name:version. It becomes a part of a path, so no segment may begin with a dot.
_MODEL = re.compile(r"([A-Za-z0-9_][\w.-]*/[A-Za-z0-9_][\w.-]*)(?::([0-9a-f]{8,64}))?", re.ASCII)
_RESETS_IN = re.compile(r"resets in ~?(\d{1,6})s")


@dataclass(frozen=True, slots=True)
class Prediction:
    """As it was when it was read. `error` is the vendor's text and may quote the prompt."""

    id: str
    status: str
    text: str
    error: str
    usage: Usage | None
    stream_url: str | None

    @property
    def ended(self) -> bool:
        return self.status in ENDED


class ReplicateAPI:
    """One client. Its methods raise ProviderError for what the vendor refuses, else the HTTP client's errors."""

    def __init__(self, *, api_token: str, base_url: str | None, webhook_url: str | None, timeouts: Timeouts) -> None:
        self._base = urlsplit(base_url or BASE_URL)
        self._webhook_url = webhook_url
        self._deadline = max(LEAST_DEADLINE_SECONDS, math.ceil(timeouts.whole_call))
        self._http = httpx2.AsyncClient(
            base_url=base_url or BASE_URL,
            headers={"Authorization": f"Bearer {api_token}"},
            timeout=httpx2.Timeout(timeouts.between_chunks, connect=timeouts.connect),
        )

    async def create(self, request: ChatRequest) -> Prediction:
        """It ends by itself at our deadline, whatever becomes of us meanwhile."""
        model = _MODEL.fullmatch(request.model)
        if model is None:
            raise ProviderError(NAME, "not_found", retryable=False)
        name, version = model.groups()
        body: dict[str, Any] = {"input": prediction_input(request), "stream": True}
        if version is not None:
            body["version"] = version
        if self._webhook_url is not None:
            body |= {"webhook": self._webhook_url, "webhook_events_filter": ["completed"]}
        path = "/v1/predictions" if version is not None else f"/v1/models/{name}/predictions"
        response = await self._http.post(path, json=body, headers={"Cancel-After": f"{self._deadline}s"})
        return self._prediction(response)

    async def get(self, prediction_id: str) -> Prediction:
        return self._prediction(await self._http.get(f"/v1/predictions/{quote(prediction_id, safe='')}"))

    async def cancel(self, prediction_id: str) -> None:
        _refuse(await self._http.post(f"/v1/predictions/{quote(prediction_id, safe='')}/cancel"))

    @asynccontextmanager
    async def events(self, url: str) -> AsyncIterator[AsyncGenerator[ServerSentEvent, None]]:
        """The stream of a prediction's events; it is closed with the context."""
        headers = {"Accept": "text/event-stream", "Cache-Control": "no-store"}
        async with self._http.stream("GET", url, headers=headers) as response:
            if response.is_error:
                await response.aread()
                _refuse(response)
            async with aclosing(read_events(response.aiter_bytes())) as events:
                yield events

    async def aclose(self) -> None:
        await self._http.aclose()

    def _prediction(self, response: httpx2.Response) -> Prediction:
        _refuse(response)
        body = _json_object(response)
        if not isinstance(body.get("id"), str):
            raise ProviderError(NAME, "server_error", retryable=True)
        return Prediction(
            id=body["id"],
            status=str(body.get("status")),
            text=_text(body.get("output")),
            error=str(body.get("error") or ""),
            usage=_usage(body.get("metrics")),
            stream_url=self._trusted((body.get("urls") or {}).get("stream")),
        )

    def _trusted(self, url: object) -> str | None:
        """Our token is sent there: only encrypted, or to where it is sent anyway."""
        if not isinstance(url, str):
            return None
        parts = urlsplit(url)
        return url if parts.scheme == "https" or parts[:2] == self._base[:2] else None


def prediction_input(request: ChatRequest) -> dict[str, Any]:
    """What the chat models take. They know one prompt: of a conversation it is the transcript."""
    system = request.system
    if request.json_schema is not None:
        system = with_schema(system, request.json_schema)
    given: dict[str, Any] = {"prompt": _transcript(request), "max_tokens": request.max_tokens}
    # Left out, it would be the vendor's own; the empty one is nobody's.
    given["system_prompt"] = system
    if request.temperature is not None:
        given["temperature"] = max(request.temperature, LEAST_TEMPERATURE)
    return given


def _transcript(request: ChatRequest) -> str:
    if len(request.messages) == 1:
        return request.messages[0].text
    turns = [f"{message.role.capitalize()}: {message.text}" for message in request.messages]
    return "\n\n".join([*turns, "Assistant:"])


def _refuse(response: httpx2.Response) -> None:
    """Raises ProviderError for an HTTP error."""
    if not response.is_error:
        return
    headers = dict(response.headers)
    # Throttling is told in a sentence, and of late in a field of the body too.
    body = _json_object(response)
    told = _RESETS_IN.search(str(body.get("detail")))
    wait = body.get("retry_after") or (told[1] if told else None)
    if wait is not None:
        headers.setdefault("retry-after", str(wait))
    raise from_status(NAME, response.status_code, (), headers)


def _json_object(response: httpx2.Response) -> dict[str, Any]:
    try:
        body = response.json()
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}


def _text(output: object) -> str:
    pieces = output if isinstance(output, list) else [output]
    return "".join(piece for piece in pieces if isinstance(piece, str))


def _usage(metrics: object) -> Usage | None:
    """None where the vendor does not count: models that are paid by the second."""
    counts = metrics if isinstance(metrics, dict) else {}
    sent, received = counts.get("input_token_count"), counts.get("output_token_count")
    return Usage(sent, received) if isinstance(sent, int) and isinstance(received, int) else None
