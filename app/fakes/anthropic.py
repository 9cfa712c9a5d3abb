"""A fake of Anthropic's Messages API; the SDK's base URL is `/anthropic`, it adds `/v1/messages`.

Wire format: platform.claude.com/docs/en/api/messages and /build-with-claude/streaming, errors in
/api/errors (read 2026-11). A stream is named events: message_start, content_block_start, ping,
content_block_delta …, content_block_stop, message_delta with the cumulative usage, message_stop; `error`
may come at any time. The key comes as `x-api-key` or as a bearer token; any is accepted that does not begin
with "invalid". Structured output is `output_config.format`; the fake also obeys a schema between
<json_schema> tags in the system prompt, as the models do.
"""

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from starlette.routing import Route

from app.fakes.answers import answer, deltas
from app.fakes.endpoint import Endpoint, Problem
from app.fakes.event_stream import Frame
from app.fakes.faults import Fault, FaultKind, FaultQueue, Tokens, cached_part, told_usage
from app.fakes.journal import Call, Journal
from app.fakes.prompts import all_text, are_messages, last_user_text, object_schemas, schema_in, text_of
from app.fakes.words import count_tokens, first_tokens

_REMOVED_PARAMETERS = ("temperature", "top_p", "top_k")
_REMOVED_IN_VERSION = "2026-10-21"


@dataclass(frozen=True, slots=True)
class _Reply:
    """One answer; where nothing is `told`, no token counts are sent at all."""

    request_id: str
    model: str
    pieces: list[str]
    stop_reason: str
    told: Tokens | None

    def whole(self) -> dict[str, Any]:
        content = [{"type": "text", "text": "".join(self.pieces)}] if self.pieces else []
        return self._message(content, self.stop_reason, self._usage())

    def frames(self, fault: Fault | None) -> Iterator[Frame]:
        yield _event("message_start", {"message": self._message([], None, self._usage(begun=True))})
        if self.pieces:
            yield _event("content_block_start", {"index": 0, "content_block": {"type": "text", "text": ""}})
        yield _event("ping", {})
        broken = fault is not None and fault.interrupts
        for piece in self.pieces[: fault.after] if fault is not None and broken else self.pieces:
            delta = {"type": "text_delta", "text": piece}
            yield _event("content_block_delta", {"index": 0, "delta": delta}, piece)
        if not broken:
            yield from self._ending()
        elif fault is not None and fault.kind is FaultKind.OVERLOADED_MIDSTREAM:
            problem = AnthropicDialect.problems[FaultKind.OVERLOADED]
            yield _event("error", _error_body(problem, self.request_id))

    def _ending(self) -> Iterator[Frame]:
        if self.pieces:
            yield _event("content_block_stop", {"index": 0})
        delta = {"stop_reason": self.stop_reason, "stop_sequence": None}
        yield _event("message_delta", {"delta": delta, **self._usage()})
        yield _event("message_stop", {})

    def _message(self, content: list[Any], stop_reason: str | None, usage: dict[str, Any]) -> dict[str, Any]:
        identity = {"id": self.request_id.replace("req_", "msg_"), "type": "message", "role": "assistant"}
        ending = {"stop_reason": stop_reason, "stop_sequence": None}
        return {**identity, "model": self.model, "content": content, **ending, **usage}

    def _usage(self, *, begun: bool = False) -> dict[str, Any]:
        """The input counts what was not cached; a message that has begun has at most one token of output."""
        if self.told is None:
            return {}
        return {
            "usage": {
                "input_tokens": self.told.input - self.told.cached_input,
                "output_tokens": min(1, self.told.output) if begun else self.told.output,
                "cache_creation_input_tokens": 0,
                "cache_read_input_tokens": self.told.cached_input,
            }
        }


class AnthropicDialect:
    vendor = "anthropic"
    request_id_header = "request-id"
    problems: Mapping[FaultKind, Problem] = {
        FaultKind.RATE_LIMIT: Problem(429, "rate_limit_error", "This request would exceed your rate limit."),
        FaultKind.QUOTA_EXHAUSTED: Problem(
            429, "rate_limit_error", "The monthly spend limit is reached.", "enforced_spend_limit_reached"
        ),
        FaultKind.SERVER_ERROR: Problem(500, "api_error", "Internal server error"),
        FaultKind.OVERLOADED: Problem(529, "overloaded_error", "Overloaded"),
        FaultKind.BAD_REQUEST: Problem(400, "invalid_request_error", "The request is invalid."),
    }

    def problem_in(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Problem | None:
        return _unauthorized(headers) or _invalid(body, headers.get("anthropic-version")) or _open_schema(body)

    def error_body(self, problem: Problem, request_id: str) -> dict[str, Any]:
        return _error_body(problem, request_id)

    def reply(self, body: Mapping[str, Any], request_id: str, call: Call, fault: Fault | None) -> _Reply:
        refused = fault is not None and fault.kind is FaultKind.REFUSAL
        text = answer(last_user_text(body["messages"]), _schema(body))
        said = first_tokens(text, body["max_tokens"])
        stop_reason = "end_turn" if said == text else "max_tokens"
        call.input_tokens = count_tokens(f"{text_of(body.get('system'))}{all_text(body['messages'])}")
        call.cached_input_tokens = cached_part(call.input_tokens, fault)
        return _Reply(
            request_id=request_id,
            model=body["model"],
            pieces=[] if refused else deltas(said),
            stop_reason="refusal" if refused else stop_reason,
            told=told_usage(fault, Tokens(call.input_tokens, 0 if refused else count_tokens(said))),
        )


def routes(journal: Journal, faults: FaultQueue) -> list[Route]:
    return [Route("/v1/messages", Endpoint(AnthropicDialect(), journal, faults).create, methods=["POST"])]


def _event(name: str, data: Mapping[str, Any], text: str | None = None) -> Frame:
    payload = json.dumps({"type": name, **data}, separators=(",", ":"))
    return Frame(f"event: {name}\ndata: {payload}\n\n".encode(), text)


def _error_body(problem: Problem, request_id: str) -> dict[str, Any]:
    details = {"error_code": problem.code} if problem.code else None
    error = {"type": problem.type, "message": problem.message, "details": details}
    return {"type": "error", "error": error, "request_id": request_id}


def _format(body: Mapping[str, Any]) -> Mapping[str, Any]:
    return (body.get("output_config") or {}).get("format") or {}


def _schema(body: Mapping[str, Any]) -> Any:
    wanted = _format(body).get("schema")
    return schema_in(text_of(body.get("system"))) if wanted is None else wanted


def _unauthorized(headers: Mapping[str, str]) -> Problem | None:
    scheme, _, token = headers.get("authorization", "").partition(" ")
    key = headers.get("x-api-key") or (token if scheme.lower() == "bearer" else "")
    if key and not key.startswith("invalid"):
        return None
    message = "invalid x-api-key" if key else "x-api-key header is required"
    return Problem(401, "authentication_error", message)


def _invalid(body: Mapping[str, Any], version: str | None) -> Problem | None:
    if version is None:
        return _bad("anthropic-version: header is required")
    if not isinstance(body.get("model"), str):
        return _bad("model: Field required")
    if not isinstance(body.get("max_tokens"), int):
        return _bad("max_tokens: Field required")
    if not are_messages(body.get("messages")):
        return _bad("messages: at least one message is required")
    removed = [name for name in _REMOVED_PARAMETERS if name in body]
    if removed and version >= _REMOVED_IN_VERSION:
        return _bad(f"{removed[0]}: Extra inputs are not permitted")
    return None


def _open_schema(body: Mapping[str, Any]) -> Problem | None:
    closed = [schema.get("additionalProperties") is False for schema in object_schemas(_format(body).get("schema"))]
    if all(closed):
        return None
    rule = "For 'object' type, 'additionalProperties' must be explicitly set to false"
    return _bad(f"output_config.format.schema: {rule}")


def _bad(message: str) -> Problem:
    return Problem(400, "invalid_request_error", message)
