"""A GraphQL request as it comes over HTTP, and the answers to what is none."""

from collections.abc import Mapping
from typing import Any

import orjson
from starlette.datastructures import Headers, QueryParams
from starlette.responses import Response
from starlette.types import Receive

from app.errors import AppError, InvalidInput, LimitExceeded
from app.graphql.cost import cost_extensions
from app.graphql.errors import throttling
from app.graphql.guard import QueryTooComplex
from app.services.limit.throttle import Throttled

RESPONSE_TYPE = "application/graphql-response+json"
JSON_TYPE = "application/json"
BAD_USER_INPUT = "BAD_USER_INPUT"


class ClientGone(Exception):
    """The client closed the connection before its request was complete; there is nobody to answer."""


class Refused(Exception):
    """Not a request that can be executed: `status` and `code` are the answer's."""

    def __init__(self, status: int, code: str, message: str, *, error: AppError | None = None, **headers: str) -> None:
        self.status = status
        self.code = code
        self.message = message
        self.error = error
        self.headers = {name.replace("_", "-"): value for name, value in headers.items()}
        super().__init__(message)


def only(method: str, *allowed: str) -> None:
    if method not in allowed:
        message = f"Use {' or '.join(allowed)}."
        raise Refused(405, BAD_USER_INPUT, message, Allow=", ".join(allowed))


async def from_body(headers: Headers, receive: Receive, limit: int) -> dict[str, Any]:
    """The parameters in a JSON body of at most `limit` bytes. Raises Refused, ClientGone."""
    if headers.get("content-type", "").partition(";")[0].strip().lower() != JSON_TYPE:
        raise Refused(415, BAD_USER_INPUT, "Send the request as Content-Type: application/json.")
    try:
        return _checked(_json(await _body(headers, receive, limit), "The body", "body"))
    except LimitExceeded as error:
        raise Refused(413, BAD_USER_INPUT, error.message, error=error) from None
    except InvalidInput as error:
        raise Refused(400, BAD_USER_INPUT, error.message, error=error) from None


def from_url(query: QueryParams) -> dict[str, Any]:
    """The parameters in a URL; `variables` and `extensions` are JSON, and an empty name is none. Raises Refused."""
    request: dict[str, Any] = {
        name: query[name] for name in ("query", "documentId", "operationName") if query.get(name)
    }
    try:
        for name in ("variables", "extensions"):
            if name in query:
                request[name] = _json(query[name], name, name)
        return _checked(request)
    except InvalidInput as error:
        raise Refused(400, BAD_USER_INPUT, error.message, error=error) from None


def respond(body: dict[str, Any], status: int, media: str) -> Response:
    return Response(orjson.dumps(body, default=str), status, media_type=f"{media}; charset=utf-8")


def refusal(headers: Headers, refused: Refused, request_id: str) -> Response:
    extensions: dict[str, Any] = {"code": refused.code, "requestId": request_id}
    if refused.error is not None and refused.error.path:
        extensions["path"] = list(refused.error.path)
    if isinstance(refused.error, LimitExceeded):
        extensions |= {"limit": refused.error.limit, "actual": refused.error.actual}
    if isinstance(refused.error, QueryTooComplex):
        extensions["limitName"] = refused.error.name
    if isinstance(refused.error, Throttled):
        extensions |= throttling(refused.error)
    body: dict[str, Any] = {"errors": [{"message": refused.message, "extensions": extensions}]}
    if cost := cost_extensions():
        body["extensions"] = cost
    response = respond(body, refused.status, media_type(headers))
    response.headers.update(refused.headers)
    return response


def media_type(headers: Headers) -> str:
    return RESPONSE_TYPE if RESPONSE_TYPE in headers.get("accept", "") else JSON_TYPE


async def _body(headers: Headers, receive: Receive, limit: int) -> bytes:
    """Refused as soon as it is known to be too long, by its header or by what has come."""
    declared = headers.get("content-length", "")
    size = int(declared) if declared.isdecimal() and len(declared) < 20 else 0
    parts: list[bytes] = []
    while size <= limit:
        message = await receive()
        if message["type"] == "http.disconnect":
            raise ClientGone
        parts.append(message.get("body", b""))
        size = sum(map(len, parts))
        if not message.get("more_body", False):
            break
    if size > limit:
        raise LimitExceeded(f"The body is larger than {limit} bytes.", limit=limit, actual=size, path=("body",))
    return b"".join(parts)


def _json(text: str | bytes, what: str, name: str) -> Any:
    try:
        return orjson.loads(text)
    except orjson.JSONDecodeError:
        raise InvalidInput(f"{what} is not valid JSON in UTF-8.", (name,)) from None


def names_document(request: Mapping[str, Any]) -> bool:
    """Whether it asks, well or not, for a document that the service has."""
    extensions = request.get("extensions")
    return request.get("documentId") is not None or (isinstance(extensions, dict) and "persistedQuery" in extensions)


def _checked(request: Any) -> dict[str, Any]:
    """Raises InvalidInput for what is not a GraphQL request."""
    if not isinstance(request, dict):
        raise InvalidInput("The body is one JSON object; batches are not supported.", ("body",))
    if not isinstance(request.get("query"), str | None):
        raise InvalidInput("query is the GraphQL document as a string.", ("query",))
    if not request.get("query") and not names_document(request):
        raise InvalidInput("query is missing: the GraphQL document as a string.", ("query",))
    if not isinstance(request.get("variables"), dict | None):
        raise InvalidInput("variables is a JSON object.", ("variables",))
    if not isinstance(request.get("operationName"), str | None):
        raise InvalidInput("operationName is a string.", ("operationName",))
    if not isinstance(request.get("extensions"), dict | None):
        raise InvalidInput("extensions is a JSON object.", ("extensions",))
    return request
