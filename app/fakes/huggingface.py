"""A fake of Hugging Face's router to its partners, mounted where the SDK's base URL ends (`/huggingface/v1`).

Wire format: chat completions as OpenAI's, huggingface.co/docs/inference-providers/tasks/chat-completion, read 2026-11.
What differs: a model is `owner/name`, with `:partner` after it or not; a schema may be any; a model does not refuse in
a field of its own, its partner ends the answer with `content_filter`; and the router says what is wrong in one
sentence, `{"error": "…"}`, where a partner sends an object.
"""

import re
from collections.abc import Mapping
from typing import Any

from starlette.routing import Route

from app.fakes.answers import answer, deltas
from app.fakes.endpoint import Endpoint, Problem
from app.fakes.faults import Fault, FaultKind, FaultQueue, Tokens, cached_part, told_usage
from app.fakes.journal import Call, Journal
from app.fakes.openai import Completion, json_schema, unauthorized, usage_of
from app.fakes.prompts import all_text, are_messages, last_user_text
from app.fakes.words import count_tokens, first_tokens

_MODEL = re.compile(r"[\w.-]+/[\w.-]+(:[\w-]+)?")
_ROUTER = "router"
_PARTNER = "partner_error"


class HuggingFaceDialect:
    vendor = "huggingface"
    request_id_header = "x-request-id"
    problems: Mapping[FaultKind, Problem] = {
        FaultKind.RATE_LIMIT: Problem(429, _ROUTER, "Too many requests. Please retry later."),
        FaultKind.QUOTA_EXHAUSTED: Problem(
            402, _ROUTER, "You have depleted your monthly included credits. Purchase pre-paid credits to continue."
        ),
        FaultKind.SERVER_ERROR: Problem(500, _ROUTER, "Internal Server Error"),
        FaultKind.OVERLOADED: Problem(503, _PARTNER, "The model is overloaded.", "service_unavailable_error"),
        FaultKind.BAD_REQUEST: Problem(422, _ROUTER, "Input validation error: the request is invalid."),
    }

    def problem_in(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Problem | None:
        if unauthorized(headers) is not None:
            return Problem(401, _ROUTER, "Invalid username or password.")
        if not are_messages(body.get("messages")):
            return Problem(422, _ROUTER, "Input validation error: `messages` is required.")
        if not isinstance(body.get("model"), str) or not _MODEL.fullmatch(body["model"]):
            message = f"The requested model '{body.get('model')}' is not supported by any provider you have enabled."
            return Problem(400, "invalid_request_error", message, "model_not_supported", "model")
        return None

    def error_body(self, problem: Problem, request_id: str) -> dict[str, Any]:
        return _error_body(problem)

    def reply(self, body: Mapping[str, Any], request_id: str, call: Call, fault: Fault | None) -> Completion:
        refused = fault is not None and fault.kind is FaultKind.REFUSAL
        text = "" if refused else answer(last_user_text(body["messages"]), json_schema(body).get("schema"))
        said = first_tokens(text, body["max_tokens"]) if body.get("max_tokens") else text
        call.input_tokens = count_tokens(all_text(body["messages"]))
        call.cached_input_tokens = cached_part(call.input_tokens, fault)
        told = told_usage(fault, Tokens(call.input_tokens, count_tokens(said)))
        finish_reason = "stop" if said == text else "length"
        return Completion(
            id=request_id.replace("req_", "chatcmpl-"),
            model=body["model"],
            field="content",
            pieces=deltas(said),
            finish_reason="content_filter" if refused else finish_reason,
            usage=usage_of(told) if told is not None else None,
            include_usage=bool((body.get("stream_options") or {}).get("include_usage")),
            overloaded=_error_body(self.problems[FaultKind.OVERLOADED]),
        )


def routes(journal: Journal, faults: FaultQueue) -> list[Route]:
    endpoint = Endpoint(HuggingFaceDialect(), journal, faults)
    return [Route("/chat/completions", endpoint.create, methods=["POST"])]


def _error_body(problem: Problem) -> dict[str, Any]:
    if problem.type == _ROUTER:
        return {"error": problem.message}
    error = {"message": problem.message, "type": problem.type, "param": problem.param, "code": problem.code}
    return {"error": error}
