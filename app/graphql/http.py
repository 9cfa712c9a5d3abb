"""POST /graphql: GraphQL over HTTP, with the checks that come before a document is even looked at."""

import uuid
from typing import Any

import orjson
import structlog
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from app.errors import AppError, InvalidInput, LimitExceeded, Unauthenticated
from app.graphql.context import Context, Resources
from app.graphql.errors import INTERNAL, UNEXPECTED
from app.graphql.schema import schema
from app.services.account.authenticate import Credentials

log = structlog.get_logger(__name__)

RESPONSE_TYPE = "application/graphql-response+json"
JSON_TYPE = "application/json"
_OPERATIONS = (OperationType.QUERY, OperationType.MUTATION)


class GraphQLHTTP:
    """An ASGI app for one path."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = uuid.uuid4().hex
        headers = Headers(scope=scope)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                response = await self._answer(scope["method"], headers, receive, request_id)
            except _ClientGone:
                return
            except Exception:
                log.exception("request broke")
                response = _refusal(headers, 500, INTERNAL, UNEXPECTED, request_id)
        response.headers["X-Request-Id"] = request_id
        await response(scope, receive, send)

    async def _answer(self, method: str, headers: Headers, receive: Receive, request_id: str) -> Response:
        if method != "POST":
            response = _refusal(headers, 405, "BAD_USER_INPUT", "Use POST with a JSON body.", request_id)
            response.headers["Allow"] = "POST"
            return response
        if headers.get("content-type", "").partition(";")[0].strip().lower() != JSON_TYPE:
            message = "Send the request as Content-Type: application/json."
            return _refusal(headers, 415, "BAD_USER_INPUT", message, request_id)
        try:
            request = _parse(await self._body(headers, receive))
        except LimitExceeded as error:
            return _refusal(headers, 413, "BAD_USER_INPUT", error.message, request_id, error)
        except InvalidInput as error:
            return _refusal(headers, 400, "BAD_USER_INPUT", error.message, request_id, error)
        context = Context(self._resources, request_id, live=False)
        try:
            credentials = Credentials(headers.get("authorization"), headers.get("x-workspace-id"))
            context.enter(await self._resources.authenticator.principal(credentials))
            return await self._execute(request, context, headers)
        except Unauthenticated as error:
            response = _refusal(headers, 401, "UNAUTHENTICATED", error.message, request_id)
            response.headers["WWW-Authenticate"] = "Bearer"
            return response
        except AppError as error:
            return _refusal(headers, 403, "FORBIDDEN", error.message, request_id)
        finally:
            await context.close()

    async def _body(self, headers: Headers, receive: Receive) -> bytes:
        """Refused as soon as it is known to be too long, by its header or by what has come."""
        limit = self._resources.settings.bizq_max_body_bytes
        declared = headers.get("content-length", "")
        size = int(declared) if declared.isdecimal() and len(declared) < 20 else 0
        parts: list[bytes] = []
        while size <= limit:
            message = await receive()
            if message["type"] == "http.disconnect":
                raise _ClientGone
            parts.append(message.get("body", b""))
            size = sum(map(len, parts))
            if not message.get("more_body", False):
                break
        if size > limit:
            raise LimitExceeded(f"The body is larger than {limit} bytes.", limit=limit, actual=size, path=("body",))
        return b"".join(parts)

    async def _execute(self, request: dict[str, Any], context: Context, headers: Headers) -> Response:
        try:
            result = await schema.execute(
                request["query"],
                variable_values=request.get("variables"),
                operation_name=request.get("operationName"),
                context_value=context,
                allowed_operation_types=_OPERATIONS,
            )
        except InvalidOperationTypeError:
            message = "A subscription needs a WebSocket: graphql-transport-ws on this path."
            return _refusal(headers, 400, "BAD_USER_INPUT", message, context.request_id)
        except CannotGetOperationTypeError as error:
            return _refusal(headers, 400, "BAD_USER_INPUT", error.as_http_error_reason(), context.request_id)
        body: dict[str, Any] = {}
        refused = isinstance(result, PreExecutionError)
        if result.errors:
            body["errors"] = [error.formatted for error in result.errors]
            refused = refused or (result.data is None and all(error.path is None for error in result.errors))
        if not refused:
            body["data"] = result.data
        media = _media(headers)
        # application/json keeps 200 for what a legacy client would otherwise take for a transport failure.
        status = 400 if refused and media == RESPONSE_TYPE else 200
        return _respond(body, status, media)


class _ClientGone(Exception):
    """The client closed the connection before its request was complete; there is nobody to answer."""


def _parse(body: bytes) -> dict[str, Any]:
    """The request's parameters. Raises InvalidInput for what is not a GraphQL request in JSON."""
    try:
        request = orjson.loads(body)
    except orjson.JSONDecodeError:
        raise InvalidInput("The body is not valid JSON in UTF-8.", ("body",)) from None
    if not isinstance(request, dict):
        raise InvalidInput("The body is one JSON object; batches are not supported.", ("body",))
    if not isinstance(request.get("query"), str) or not request["query"]:
        raise InvalidInput("query is missing: the GraphQL document as a string.", ("query",))
    if not isinstance(request.get("variables"), dict | None):
        raise InvalidInput("variables is a JSON object.", ("variables",))
    if not isinstance(request.get("operationName"), str | None):
        raise InvalidInput("operationName is a string.", ("operationName",))
    if not isinstance(request.get("extensions"), dict | None):
        raise InvalidInput("extensions is a JSON object.", ("extensions",))
    return request


def _media(headers: Headers) -> str:
    return RESPONSE_TYPE if RESPONSE_TYPE in headers.get("accept", "") else JSON_TYPE


def _refusal(
    headers: Headers, status: int, code: str, message: str, request_id: str, error: AppError | None = None
) -> Response:
    extensions: dict[str, Any] = {"code": code, "requestId": request_id}
    if error is not None and error.path:
        extensions["path"] = list(error.path)
    if isinstance(error, LimitExceeded):
        extensions |= {"limit": error.limit, "actual": error.actual}
    body = {"errors": [{"message": message, "extensions": extensions}]}
    return _respond(body, status, _media(headers))


def _respond(body: dict[str, Any], status: int, media: str) -> Response:
    return Response(orjson.dumps(body, default=str), status, media_type=f"{media}; charset=utf-8")
