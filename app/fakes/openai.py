"""A fake of OpenAI's Chat Completions API, mounted where the SDK's base URL ends (`/openai/v1`).

Wire format: "Chat Completions" and "Streaming" in developers.openai.com/api/reference, error bodies and
codes in developers.openai.com/api/docs/guides/error-codes (read 2026-11). A stream is `data: {chunk}`
lines: the role, the deltas, an empty delta with the finish_reason, one chunk with usage and no choices
where `stream_options.include_usage` asks for it (`usage` is null in all others), `data: [DONE]`. Any key is
accepted that does not begin with "invalid".
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response
from starlette.routing import Route

from app.fakes.answers import answer, deltas
from app.fakes.endpoint import Endpoint, Problem
from app.fakes.event_stream import Frame
from app.fakes.faults import Fault, FaultKind, FaultQueue, Tokens, cached_part, told_usage
from app.fakes.journal import Call, Journal
from app.fakes.prompts import all_text, are_messages, last_user_text, object_schemas
from app.fakes.words import count_tokens, first_tokens

_CREATED = 1_767_225_600  # always the same second: same request, same bytes
_MODELS = ("gpt-6-luna", "gpt-6.1-terra", "gpt-6.2-sol", "gpt-6.2-astra")
_REASONING_MODELS = ("gpt-5", "gpt-6", "o1", "o3", "o4")
_REFUSAL = "I'm sorry, I cannot assist with that request."


@dataclass(frozen=True, slots=True)
class Completion:
    """One answer; its pieces are those of `field`: content, or refusal. `overloaded` is the body of the error event
    that may interrupt it."""

    id: str
    model: str
    field: str
    pieces: list[str]
    finish_reason: str
    usage: dict[str, Any] | None
    include_usage: bool
    overloaded: Mapping[str, Any]

    def whole(self) -> dict[str, Any]:
        message = {"role": "assistant", "content": None, "refusal": None, self.field: "".join(self.pieces)}
        choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": self.finish_reason}
        body = {"id": self.id, "object": "chat.completion", "created": _CREATED, "model": self.model}
        return {**body, "choices": [choice], **({} if self.usage is None else {"usage": self.usage})}

    def frames(self, fault: Fault | None) -> Iterator[Frame]:
        yield self._chunk({"role": "assistant", "content": "", "refusal": None})
        broken = fault is not None and fault.interrupts
        for piece in self.pieces[: fault.after] if fault is not None and broken else self.pieces:
            yield self._chunk({self.field: piece}, text=piece)
        if not broken:
            yield self._chunk({}, finish_reason=self.finish_reason)
            if self.include_usage and self.usage is not None:
                yield _data(self._frame([]) | {"usage": self.usage})
            yield Frame(b"data: [DONE]\n\n")
        elif fault is not None and fault.kind is FaultKind.OVERLOADED_MIDSTREAM:
            yield _data(self.overloaded)

    def _chunk(self, delta: Mapping[str, Any], *, finish_reason: str | None = None, text: str | None = None) -> Frame:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish_reason}
        return _data(self._frame([choice]) | ({"usage": None} if self.include_usage else {}), text)

    def _frame(self, choices: list[dict[str, Any]]) -> dict[str, Any]:
        kind = "chat.completion.chunk"
        head = {"id": self.id, "object": kind, "created": _CREATED, "model": self.model}
        return {**head, "choices": choices}


class OpenAIDialect:
    vendor = "openai"
    request_id_header = "x-request-id"
    problems: Mapping[FaultKind, Problem] = {
        FaultKind.RATE_LIMIT: Problem(429, "rate_limit_error", "Rate limit reached.", "rate_limit_exceeded"),
        FaultKind.QUOTA_EXHAUSTED: Problem(
            429, "insufficient_quota", "You exceeded your current quota.", "credit_balance_exhausted"
        ),
        FaultKind.SERVER_ERROR: Problem(500, "server_error", "The server had an error while processing."),
        FaultKind.OVERLOADED: Problem(
            503, "service_unavailable_error", "The model is overloaded.", "server_is_overloaded"
        ),
        FaultKind.BAD_REQUEST: Problem(400, "invalid_request_error", "The request is invalid."),
    }

    def problem_in(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Problem | None:
        return unauthorized(headers) or _invalid(body) or _invalid_schema(json_schema(body))

    def error_body(self, problem: Problem, request_id: str) -> dict[str, Any]:
        return _error_body(problem)  # the request id is in the header alone

    def reply(self, body: Mapping[str, Any], request_id: str, call: Call, fault: Fault | None) -> Completion:
        refused = fault is not None and fault.kind is FaultKind.REFUSAL
        text = _REFUSAL if refused else answer(last_user_text(body["messages"]), json_schema(body).get("schema"))
        limit = body.get("max_completion_tokens") or body.get("max_tokens")
        said = first_tokens(text, limit) if limit else text
        call.input_tokens = count_tokens(all_text(body["messages"]))
        call.cached_input_tokens = cached_part(call.input_tokens, fault)
        told = told_usage(fault, Tokens(call.input_tokens, count_tokens(said)))
        return Completion(
            id=request_id.replace("req_", "chatcmpl-"),
            model=body["model"],
            field="refusal" if refused else "content",
            pieces=deltas(said),
            finish_reason="stop" if said == text else "length",
            usage=usage_of(told) if told is not None else None,
            include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
            overloaded=_error_body(self.problems[FaultKind.OVERLOADED]),
        )


def routes(journal: Journal, faults: FaultQueue) -> list[Route]:
    endpoint = Endpoint(OpenAIDialect(), journal, faults)
    return [
        Route("/chat/completions", endpoint.create, methods=["POST"]),
        Route("/models", _list_models, methods=["GET"]),
    ]


async def _list_models(request: Request) -> Response:
    problem = unauthorized(request.headers)
    if problem:
        return JSONResponse(_error_body(problem), problem.status)
    entry = {"object": "model", "created": _CREATED, "owned_by": "openai"}
    return JSONResponse({"object": "list", "data": [{"id": model, **entry} for model in _MODELS]})


def _data(data: Mapping[str, Any], text: str | None = None) -> Frame:
    return Frame(f"data: {json.dumps(data, separators=(',', ':'))}\n\n".encode(), text)


def _error_body(problem: Problem) -> dict[str, Any]:
    names = {"type": problem.type, "param": problem.param, "code": problem.code}
    return {"error": {"message": problem.message, **names}}


def usage_of(told: Tokens) -> dict[str, Any]:
    return {
        "prompt_tokens": told.input,
        "completion_tokens": told.output,
        "total_tokens": told.input + told.output,
        "prompt_tokens_details": {"cached_tokens": told.cached_input, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": 0, "audio_tokens": 0},
    }


def json_schema(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return (body.get("response_format") or {}).get("json_schema") or {}


def unauthorized(headers: Mapping[str, str]) -> Problem | None:
    scheme, _, key = headers.get("authorization", "").partition(" ")
    if scheme.lower() == "bearer" and key and not key.startswith("invalid"):
        return None
    message = "Incorrect API key provided." if key else "You didn't provide an API key."
    return Problem(401, "invalid_request_error", message, "invalid_api_key" if key else None)


def _invalid(body: Mapping[str, Any]) -> Problem | None:
    if not isinstance(body.get("model"), str):
        return _bad("you must provide a model parameter", None, None)
    if not are_messages(body.get("messages")):
        return _bad("Missing required parameter: 'messages'.", "messages", "missing_required_parameter")
    refused = ("max_tokens", "temperature", "top_p") if body["model"].startswith(_REASONING_MODELS) else ()
    for param in refused:
        if param in body:
            message = f"Unsupported parameter: '{param}' is not supported with this model."
            return _bad(message, param, "unsupported_parameter")
    return None


def _invalid_schema(wanted: Mapping[str, Any]) -> Problem | None:
    """Strict mode takes closed objects only, with every property required."""
    for schema in object_schemas(wanted.get("schema")) if wanted.get("strict") else ():
        complete = set(schema.get("required", ())) == set(schema.get("properties", ()))
        if schema.get("additionalProperties") is not False or not complete:
            message = f"Invalid schema for response_format '{wanted.get('name')}': 'additionalProperties' is "
            message += "required to be supplied and to be false, and 'required' to include every property."
            return _bad(message, "response_format", None)
    return None


def _bad(message: str, param: str | None, code: str | None) -> Problem:
    return Problem(400, "invalid_request_error", message, code, param)
