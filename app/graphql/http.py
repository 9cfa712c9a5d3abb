"""/graphql: GraphQL over HTTP, with the checks that come before a document is even looked at.

POST with JSON, or GET with the parameters in the URL, for queries only. Protocol: the GraphQL-over-HTTP specification.
"""

import asyncio
import uuid
from typing import Any

import structlog
from graphql import GraphQLError
from starlette.datastructures import Headers, QueryParams
from starlette.responses import Response
from starlette.types import Receive, Scope, Send
from strawberry.schema.exceptions import CannotGetOperationTypeError, InvalidOperationTypeError
from strawberry.types.execution import PreExecutionError
from strawberry.types.graphql import OperationType

from app.db.availability import is_unavailable
from app.errors import AppError, InvalidInput, Unauthenticated
from app.graphql.admission import admit, admit_refused
from app.graphql.context import Context, Resources
from app.graphql.cost import cost_headers, current_charge, spend_all
from app.graphql.errors import INTERNAL, THROTTLED, UNAVAILABLE_MESSAGE, UNEXPECTED, top_level_code
from app.graphql.guard import QueryTooComplex
from app.graphql.requests import (
    BAD_USER_INPUT,
    JSON_TYPE,
    RESPONSE_TYPE,
    ClientGone,
    Refused,
    from_body,
    from_url,
    media_type,
    only,
    refusal,
    respond,
)
from app.graphql.schema import schema
from app.graphql.trusted import DocumentNotTrusted, DocumentUnknown, document_of
from app.principal import Person, Principal
from app.services.account.authenticate import Credentials
from app.services.limit.throttle import Throttled

log = structlog.get_logger(__name__)

_QUERIES: tuple[OperationType, ...] = (OperationType.QUERY,)
_ALL: tuple[OperationType, ...] = (OperationType.QUERY, OperationType.MUTATION)


class GraphQLHTTP:
    """An ASGI app for one path."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = uuid.uuid4().hex
        headers = Headers(scope=scope)
        current_charge.set(None)
        with structlog.contextvars.bound_contextvars(request_id=request_id):
            try:
                response = await self._answer(scope, headers, receive, request_id)
            except ClientGone:
                return
            except Exception as error:
                response = refusal(headers, await refusal_of(self._resources, error, media_type(headers)), request_id)
        response.headers.update({"X-Request-Id": request_id} | cost_headers())
        await response(scope, receive, send)

    async def _answer(self, scope: Scope, headers: Headers, receive: Receive, request_id: str) -> Response:
        only(scope["method"], "GET", "POST")
        if scope["method"] == "GET":
            request, allowed = from_url(QueryParams(scope["query_string"])), _QUERIES
        else:
            request = await from_body(headers, receive, self._resources.settings.bizq_max_body_bytes)
            allowed = _ALL
        context = Context(self._resources, request_id, live=False)
        try:
            context.enter(await caller(self._resources, credentials_of(headers)))
            request["query"] = await asked(request, context, media_type(headers))
            return await self._execute(request, context, headers, allowed)
        finally:
            await context.end()

    async def _execute(
        self, request: dict[str, Any], context: Context, headers: Headers, allowed: tuple[OperationType, ...]
    ) -> Response:
        seconds = self._resources.settings.bizq_max_execution_seconds
        await admit(context, request["query"], request.get("operationName"), request.get("variables"))
        try:
            async with asyncio.timeout(seconds):
                result = await schema.execute(
                    request["query"],
                    variable_values=request.get("variables"),
                    operation_name=request.get("operationName"),
                    context_value=context,
                    allowed_operation_types=allowed,
                )
        except TimeoutError:
            spend_all()
            message = f"This took longer than {seconds:g} s, which is the limit: ask for less, or in several requests."
            raise Refused(400, "QUERY_TOO_COMPLEX", message) from None
        except InvalidOperationTypeError as error:
            raise _wrong_place(error) from None
        except CannotGetOperationTypeError as error:
            raise Refused(400, BAD_USER_INPUT, error.as_http_error_reason()) from None
        body: dict[str, Any] = {}
        refused = isinstance(result, PreExecutionError)
        if result.errors:
            body["errors"] = [error.formatted for error in result.errors]
            refused = refused or (result.data is None and all(error.path is None for error in result.errors))
        if not refused:
            body["data"] = result.data
        if result.extensions:
            body["extensions"] = result.extensions
        media = media_type(headers)
        # application/json keeps 200 for what a legacy client would otherwise take for a transport failure.
        status = 400 if refused and media == RESPONSE_TYPE else 200
        return respond(body, status, media)


def _wrong_place(error: InvalidOperationTypeError) -> Refused:
    if error.operation_type is OperationType.MUTATION:
        return Refused(405, BAD_USER_INPUT, "A mutation is sent with POST.", Allow="POST")
    message = "A subscription needs a stream: a WebSocket on this path, or server-sent events on its /stream."
    return Refused(400, BAD_USER_INPUT, message)


def credentials_of(headers: Headers) -> Credentials:
    return Credentials(headers.get("authorization"), headers.get("x-workspace-id"))


async def asked(request: dict[str, Any], context: Context, media: str) -> str:
    """The document to execute. Raises Refused; in application/json with 200, as any document that is not executed."""
    try:
        return await document_of(request, context)
    except InvalidInput as error:
        raise Refused(400, BAD_USER_INPUT, error.message, error=error) from None
    except (DocumentUnknown, DocumentNotTrusted) as error:
        code = top_level_code(GraphQLError(error.message, original_error=error))
        raise Refused(200 if media == JSON_TYPE else 400, code, error.message, error=error) from None


async def caller(resources: Resources, credentials: Credentials) -> Principal | Person | None:
    """None for an anonymous one. Raises Refused for one that shows what is wrong."""
    try:
        return await resources.authenticator.caller(credentials)
    except Unauthenticated as error:
        raise Refused(401, "UNAUTHENTICATED", error.message, WWW_Authenticate="Bearer") from None
    except AppError as error:
        raise Refused(403, "FORBIDDEN", error.message) from None


async def refusal_of(resources: Resources, error: Exception, media: str) -> Refused:
    """As `broken`. To be refused costs a point as well, and with none left it is throttled."""
    if isinstance(error, Refused):
        try:
            await admit_refused(resources)
        except Throttled as throttled:
            return broken(throttled, media)
    return broken(error, media)


def broken(error: Exception, media: str) -> Refused:
    """The answer to what ended a request before it could be executed. Logs what nobody expected.

    `media` is the type of the answer that was asked for: in application/json whatever GraphQL itself has to say has
    status 200 (specification of GraphQL over HTTP).
    """
    if isinstance(error, Refused):
        return error
    if isinstance(error, Throttled):
        status = 200 if media == JSON_TYPE else 429
        return Refused(status, THROTTLED, error.message, error=error, Retry_After=str(error.retry_after))
    if isinstance(error, QueryTooComplex):
        status = 200 if media == JSON_TYPE else 400
        return Refused(status, "QUERY_TOO_COMPLEX", error.message, error=error)
    if is_unavailable(error):
        log.warning("request refused: the database does not answer", reason=type(error).__name__)
        return Refused(503, INTERNAL, UNAVAILABLE_MESSAGE, Retry_After="1")
    log.error("request broke", exc_info=error)
    return Refused(500, INTERNAL, UNEXPECTED)
