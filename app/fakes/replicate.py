"""A fake of Replicate's HTTP API for language models; its base URL is `/replicate`, clients add `/v1/…`.

Wire format: replicate.com/docs/reference/http, /docs/topics/predictions/lifecycle, /streaming, /rate-limits and
/docs/topics/webhooks (read 2026-11). Any token is accepted that does not begin with "invalid". Models of the owner
`batch` cannot stream: their predictions have no `urls.stream`. A cut breaks off the stream, not the prediction.
"""

import asyncio
import dataclasses
import itertools
from collections import OrderedDict
from collections.abc import Mapping
from typing import Any

from starlette.requests import Request
from starlette.responses import JSONResponse, Response, StreamingResponse
from starlette.routing import Route
from starlette.types import Receive, Scope, Send

from app.fakes import webhook
from app.fakes.answers import answer, deltas
from app.fakes.endpoint import Problem, json_object
from app.fakes.faults import Fault, FaultKind, FaultQueue
from app.fakes.journal import Journal
from app.fakes.openai import unauthorized
from app.fakes.prediction import Prediction
from app.fakes.prompts import schema_in
from app.fakes.words import count_tokens, first_tokens

_KEPT = 1_000
_DEFAULT_MAX_TOKENS = 512
_NOT_STREAMING = "/models/batch/"
_PROBLEMS: Mapping[FaultKind, Problem] = {
    FaultKind.RATE_LIMIT: Problem(429, "Too many requests", "Request was throttled. Your rate limit resets in ~{}s."),
    FaultKind.QUOTA_EXHAUSTED: Problem(402, "Insufficient credit", "You have insufficient credit to run this model."),
    FaultKind.SERVER_ERROR: Problem(500, "Internal server error", "Something went wrong."),
    FaultKind.OVERLOADED: Problem(503, "Service unavailable", "The service is not available for the moment."),
    FaultKind.BAD_REQUEST: Problem(422, "Input validation failed", "- input: the request is invalid"),
}
_UNAUTHENTICATED = Problem(401, "Unauthenticated", "You did not pass a valid authentication token")
_NOT_FOUND = Problem(404, "Not found", "The requested resource could not be found.")


class ReplicateFake:
    """Its predictions, the last thousand of them."""

    def __init__(self, journal: Journal, faults: FaultQueue) -> None:
        self._journal = journal
        self._faults = faults
        self._numbers = itertools.count(1)
        self.predictions: OrderedDict[str, Prediction] = OrderedDict()
        self._running: set[asyncio.Task[None]] = set()

    def routes(self) -> list[Route]:
        one = "/v1/predictions/{id}"
        return [
            Route("/v1/models/{owner}/{name}/predictions", self._create, methods=["POST"]),
            Route("/v1/predictions", self._create, methods=["POST"]),
            Route(one, self._get, methods=["GET"]),
            Route(f"{one}/cancel", self._cancel, methods=["POST"]),
            Route(f"/stream{one}", self._stream, methods=["GET"]),
            Route("/v1/webhooks/default/secret", self._secret, methods=["GET"]),
        ]

    async def _create(self, request: Request) -> Response:
        body = json_object(await request.body())
        call = self._journal.begin("replicate", request.url.path, request.headers, body)
        problem = _problem_in(body, request)
        fault = None if problem else self._faults.take("replicate")
        problem = problem or _problem_of(fault)
        if problem is not None:
            call.end(str(problem.status), [])
            return _refusal(problem, fault)
        given = body["input"]
        call.input_tokens = count_tokens(f"{given.get('system_prompt', '')}{given['prompt']}")
        text = answer(given["prompt"], schema_in(str(given.get("system_prompt", ""))))
        prediction = Prediction(
            id=f"fake{next(self._numbers):022d}",
            url=str(request.url).split("/v1/")[0],
            body=body,
            pieces=deltas(first_tokens(text, given.get("max_tokens", _DEFAULT_MAX_TOKENS))),
            streams=bool(body.get("stream")) and _NOT_STREAMING not in request.url.path,
            call=call,
            fault=fault,
        )
        self.predictions[prediction.id] = prediction
        while len(self.predictions) > _KEPT:
            self.predictions.popitem(last=False)
        created = prediction.as_json()
        self._start(prediction)
        return JSONResponse(created, 201)

    def _start(self, prediction: Prediction) -> None:
        running = asyncio.create_task(prediction.run())
        self._running.add(running)
        running.add_done_callback(self._running.discard)

    async def _get(self, request: Request) -> Response:
        found = self._found(request)
        return JSONResponse(found.as_json()) if isinstance(found, Prediction) else _refusal(found)

    async def _cancel(self, request: Request) -> Response:
        found = self._found(request)
        if not isinstance(found, Prediction):
            return _refusal(found)
        await found.end("canceled")
        return JSONResponse(found.as_json())

    async def _stream(self, request: Request) -> Response:
        found = self._found(request)
        if not isinstance(found, Prediction):
            return _refusal(found)
        cut = found.fault is not None and found.fault.kind is FaultKind.CUT
        return _Events(found.events(), cut=cut)

    async def _secret(self, request: Request) -> Response:
        problem = _unauthenticated(request)
        return _refusal(problem) if problem else JSONResponse({"key": webhook.SECRET})

    def _found(self, request: Request) -> Prediction | Problem:
        return _unauthenticated(request) or self.predictions.get(request.path_params["id"]) or _NOT_FOUND


class _Events(StreamingResponse):
    """With `cut` the response never completes: the server then closes the connection."""

    def __init__(self, content: Any, *, cut: bool) -> None:
        super().__init__(content, media_type="text/event-stream")
        self._cut = cut

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        async def sent(message: Any) -> None:
            if not (self._cut and message["type"] == "http.response.body" and not message.get("more_body")):
                await send(message)

        await super().__call__(scope, receive, sent)


def _unauthenticated(request: Request) -> Problem | None:
    return _UNAUTHENTICATED if unauthorized(request.headers) else None


def _problem_in(body: Mapping[str, Any], request: Request) -> Problem | None:
    given = body.get("input")
    missing = [
        *([] if isinstance(given, Mapping) and isinstance(given.get("prompt"), str) else ["input: prompt is required"]),
        *([] if "owner" in request.path_params or isinstance(body.get("version"), str) else ["version is required"]),
    ]
    invalid = Problem(422, "Input validation failed", "\n".join(f"- {each}" for each in missing)) if missing else None
    return _unauthenticated(request) or invalid


def _problem_of(fault: Fault | None) -> Problem | None:
    problem = _PROBLEMS.get(fault.kind) if fault is not None else None
    if problem is None or fault is None:
        return None
    return dataclasses.replace(problem, status=fault.status) if fault.kind is FaultKind.SERVER_ERROR else problem


def _refusal(problem: Problem, fault: Fault | None = None) -> Response:
    seconds = f"{fault.retry_after:g}" if fault is not None and fault.kind is FaultKind.RATE_LIMIT else None
    detail = problem.message.format(seconds)
    headers = {"retry-after": seconds} if seconds is not None else None
    return JSONResponse({"title": problem.type, "detail": detail, "status": problem.status}, problem.status, headers)
