"""The part of answering a request that is the same for every fake vendor."""

import dataclasses
import itertools
import json
from collections.abc import Iterator, Mapping
from typing import Any, Protocol

from starlette.requests import Request
from starlette.responses import JSONResponse, Response

from app.fakes.event_stream import EventStream, Frame
from app.fakes.faults import Fault, FaultKind, FaultQueue
from app.fakes.journal import Call, Journal


@dataclasses.dataclass(frozen=True, slots=True)
class Problem:
    """An HTTP error in the vendor's words; `code` is the more exact of its two error names."""

    status: int
    type: str
    message: str
    code: str | None = None
    param: str | None = None


class Reply(Protocol):
    """An answer on its way: `pieces` are the deltas it is streamed in."""

    @property
    def pieces(self) -> list[str]: ...

    def frames(self, fault: Fault | None) -> Iterator[Frame]: ...

    def whole(self) -> dict[str, Any]: ...


class Dialect(Protocol):
    """How one vendor speaks."""

    vendor: str
    request_id_header: str
    problems: Mapping[FaultKind, Problem]

    def problem_in(self, body: Mapping[str, Any], headers: Mapping[str, str]) -> Problem | None: ...

    def error_body(self, problem: Problem, request_id: str) -> dict[str, Any]: ...

    def reply(self, body: Mapping[str, Any], request_id: str, call: Call, fault: Fault | None) -> Reply: ...


class Endpoint:
    """Notes the call, refuses what the vendor would refuse, then lets an ordered fault happen, if any."""

    def __init__(self, dialect: Dialect, journal: Journal, faults: FaultQueue) -> None:
        self._dialect = dialect
        self._journal = journal
        self._faults = faults
        self._numbers = itertools.count(1)

    async def create(self, request: Request) -> Response:
        body = json_object(await request.body())
        call = self._journal.begin(self._dialect.vendor, request.url.path, request.headers, body)
        request_id = f"req_{next(self._numbers):024x}"
        problem = self._dialect.problem_in(body, request.headers)
        fault = None if problem else self._faults.take(self._dialect.vendor)
        problem = problem or self._problem_of(fault, streams=bool(body.get("stream")))
        headers = {self._dialect.request_id_header: request_id}
        if problem is None:
            reply = self._dialect.reply(body, request_id, call, fault)
            return _sent(reply, call, headers, fault, streams=bool(body.get("stream")))
        if fault is not None and fault.kind is FaultKind.RATE_LIMIT:
            headers["retry-after"] = f"{fault.retry_after:g}"
        call.end(str(problem.status), [])
        return JSONResponse(self._dialect.error_body(problem, request_id), problem.status, headers)

    def _problem_of(self, fault: Fault | None, *, streams: bool) -> Problem | None:
        """The HTTP error a fault means; None for faults that begin well."""
        if fault is None:
            return None
        if fault.kind is FaultKind.SERVER_ERROR:
            return dataclasses.replace(self._dialect.problems[fault.kind], status=fault.status)
        if fault.kind is FaultKind.OVERLOADED_MIDSTREAM and not streams:
            return self._dialect.problems[FaultKind.OVERLOADED]
        return self._dialect.problems.get(fault.kind)


def _sent(reply: Reply, call: Call, headers: Mapping[str, str], fault: Fault | None, *, streams: bool) -> EventStream:
    cut = fault is not None and fault.kind is FaultKind.CUT
    delay = fault.delay if fault is not None and fault.kind is FaultKind.SLOW else 0.0
    if streams:
        return EventStream(reply.frames(fault), call, headers=headers, delay=delay, cut=cut)
    whole = json.dumps(reply.whole()).encode()
    # Of half a JSON document nobody can read anything.
    frame = Frame(whole[: len(whole) // 2]) if cut else Frame(whole, "".join(reply.pieces))
    return EventStream([frame], call, headers=headers, media_type="application/json", delay=delay, cut=cut)


def json_object(raw: bytes) -> dict[str, Any]:
    """The body, or an empty one where it is no JSON object: the checks then name what is missing."""
    try:
        body = json.loads(raw)
    except ValueError:
        return {}
    return body if isinstance(body, dict) else {}
