"""GraphQL over server-sent events, "distinct connections mode": one operation for each connection.

Protocol: github.com/enisdenjo/graphql-sse, PROTOCOL.md. Beyond it every `next` has an `id`; a client that sends the
last one as `Last-Event-ID`, as browsers do by themselves, goes on from there, whatever `after` or `fromOffset` its
document has.
"""

import asyncio
import uuid
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Any

import orjson
import structlog
from graphql import GraphQLError
from starlette.datastructures import Headers, QueryParams
from starlette.types import Receive, Scope, Send
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from app.errors import InvalidInput
from app.graphql import live
from app.graphql.access import LiveAccess
from app.graphql.admission import admit
from app.graphql.context import Context, Resources
from app.graphql.cost import cost_headers, current_charge
from app.graphql.errors import publish
from app.graphql.http import asked, caller, credentials_of, refusal_of
from app.graphql.requests import BAD_USER_INPUT, ClientGone, Refused, from_body, from_url, only, refusal
from app.graphql.schema import schema

log = structlog.get_logger(__name__)

EVENT_STREAM = "text/event-stream"
# Proxies close what is silent for longer; clients ignore comments.
HEARTBEAT_SECONDS = 12.0
_COMMENT = b":\n\n"
_COMPLETE = b"event: complete\ndata:\n\n"
_READS = (OperationType.QUERY,)
_READS_AND_WRITES = (OperationType.QUERY, OperationType.MUTATION)


class GraphQLSSE:
    """An ASGI app for one path. POST as over HTTP; GET with the parameters in the URL, for what changes nothing."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = uuid.uuid4().hex
        headers = Headers(scope=scope)
        context = Context(self._resources, request_id, live=True)
        current_charge.set(None)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                request = await self._request(scope, headers, receive)
                context.enter(await caller(self._resources, credentials_of(headers)))
                request["query"] = await asked(request, context, EVENT_STREAM)
                await admit(context, request["query"], request.get("operationName"), request.get("variables"))
            except ClientGone:
                return
            except Exception as error:
                response = refusal(headers, await refusal_of(self._resources, error, EVENT_STREAM), request_id)
                response.headers.update({"X-Request-Id": request_id} | cost_headers())
                await response(scope, receive, send)
                return
            context.last_event_id = headers.get("last-event-id")
            results = _results(request, context, _READS if scope["method"] == "GET" else _READS_AND_WRITES)
            await _Stream(context, headers, send).run(results, receive)

    async def _request(self, scope: Scope, headers: Headers, receive: Receive) -> dict[str, Any]:
        only(scope["method"], "GET", "POST")
        accepted = headers.get("accept", "*/*")
        if EVENT_STREAM not in accepted and "*/*" not in accepted and "text/*" not in accepted:
            raise Refused(406, BAD_USER_INPUT, f"This path answers with {EVENT_STREAM}: accept it.")
        if scope["method"] == "GET":
            return from_url(QueryParams(scope["query_string"]))
        return await from_body(headers, receive, self._resources.settings.bizq_max_body_bytes)


class _Stream:
    """One answer. It ends with `complete`, or without it where the client should come back and go on."""

    def __init__(self, context: Context, headers: Headers, send: Send) -> None:
        self._context = context
        self._headers = headers
        self._send = send
        self._over = asyncio.Event()
        # Two tasks write: events, and the comments between them.
        self._turn = asyncio.Lock()

    async def run(self, results: AsyncGenerator[bytes, None], receive: Receive) -> None:
        resources = self._context.resources
        access = self._watch_access()
        start = {
            "type": "http.response.start",
            "status": 200,
            "headers": [
                (b"content-type", f"{EVENT_STREAM}; charset=utf-8".encode()),
                (b"x-accel-buffering", b"no"),
                (b"x-request-id", self._context.request_id.encode()),
                *((name.lower().encode(), value.encode()) for name, value in cost_headers().items()),
            ],
        }
        tasks = [
            asyncio.create_task(self._write_all(results)),
            asyncio.create_task(self._over.wait()),
            asyncio.create_task(resources.stopping.wait()),
            asyncio.create_task(_disconnected(receive)),
        ]
        beating = asyncio.create_task(self._beat())
        try:
            await self._send(start)
            await self._write(_COMMENT)
            await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
        finally:
            if access is not None:
                resources.access.leave(access)
            for task in (*tasks, beating):
                task.cancel()
            # All of them have ended when this returns: their subscriptions are gone.
            await asyncio.gather(*tasks, beating, return_exceptions=True)
        if not tasks[0].cancelled() and (error := tasks[0].exception()) is not None:
            log.error("event stream broke", exc_info=error)
        await self._send({"type": "http.response.body", "body": b""})

    def _watch_access(self) -> LiveAccess | None:
        caller = self._context.caller
        if caller is None:
            return None
        access = LiveAccess(
            credentials_of(self._headers).of(caller), caller, self._context.enter, lambda reason: self._over.set()
        )
        self._context.resources.access.enter(access)
        return access

    async def _write_all(self, results: AsyncGenerator[bytes, None]) -> None:
        async with aclosing(results):
            async for result in results:
                number = f"id: {self._context.event_id}\n" if self._context.event_id is not None else ""
                # JSON escapes line breaks, so the data is one line.
                await self._write(b"event: next\n%bdata: %b\n\n" % (number.encode(), result))
        await self._write(_COMPLETE)

    async def _beat(self) -> None:
        while True:
            await asyncio.sleep(HEARTBEAT_SECONDS)
            await self._write(_COMMENT)

    async def _write(self, data: bytes) -> None:
        async with self._turn:
            await self._send({"type": "http.response.body", "body": data, "more_body": True})


async def _results(
    request: dict[str, Any], context: Context, allowed: tuple[OperationType, ...]
) -> AsyncGenerator[bytes, None]:
    """Also what is wrong with the request comes as a result: a browser would not show an answer that is no stream."""
    query, variables, name = request["query"], request.get("variables"), request.get("operationName")
    if live.is_subscription(query, name, context):
        try:
            async with aclosing(live.subscribe(query, variables, name, context)) as results:
                async for result in results:
                    yield result
        except live.NotStarted as refused:
            yield orjson.dumps({"errors": [error.formatted for error in refused.errors]})
        return
    try:
        answer = await schema.execute(
            query,
            variable_values=variables,
            operation_name=name,
            context_value=context,
            allowed_operation_types=allowed,
        )
    except InvalidOperationTypeError as error:
        problem = InvalidInput(error.as_http_error_reason("GET"))
    except CannotGetOperationTypeError as error:
        problem = InvalidInput(error.as_http_error_reason())
    else:
        body: dict[str, Any] = {} if isinstance(answer, PreExecutionError) else {"data": answer.data}
        if answer.errors:
            body["errors"] = [error.formatted for error in answer.errors]
        if answer.extensions:
            body["extensions"] = answer.extensions
        yield orjson.dumps(body, default=str)
        return
    refusal = GraphQLError(problem.message, original_error=problem)
    publish(refusal, context.request_id)
    yield orjson.dumps({"errors": [refusal.formatted]})


async def _disconnected(receive: Receive) -> None:
    while (await receive())["type"] != "http.disconnect":
        pass
