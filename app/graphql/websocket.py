"""GraphQL over WebSocket: graphql-transport-ws on /graphql, through Strawberry's own handler."""

import asyncio
import uuid
from collections.abc import Mapping
from contextlib import aclosing
from datetime import timedelta
from typing import Any, cast

import orjson
import structlog
from graphql import GraphQLError, GraphQLSyntaxError
from starlette.websockets import WebSocket, WebSocketDisconnect
from strawberry.asgi import ASGIWebSocketAdapter, GraphQL
from strawberry.exceptions import ConnectionRejectionError
from strawberry.http.exceptions import WebSocketDisconnected
from strawberry.subscriptions import GRAPHQL_TRANSPORT_WS_PROTOCOL
from strawberry.subscriptions.protocols.graphql_transport_ws.handlers import (
    BaseGraphQLTransportWSHandler,
    Operation,
)
from strawberry.subscriptions.protocols.graphql_transport_ws.types import (
    ConnectionInitMessage,
    Message,
    SubscribeMessage,
)

from app.errors import AppError, LimitExceeded
from app.graphql import live
from app.graphql.access import LiveAccess
from app.graphql.context import Context, Resources
from app.graphql.documents import parse_document
from app.graphql.errors import publish
from app.graphql.guard import QueryTooComplex
from app.graphql.limits import CONNECTION_INIT_SECONDS, SUBSCRIPTIONS_PER_SOCKET
from app.graphql.schema import schema
from app.services.account.authenticate import Credentials

log = structlog.get_logger(__name__)
# Close code of graphql-transport-ws: come back with other credentials.
FORBIDDEN = 4403


class _Handler(BaseGraphQLTransportWSHandler[Context, None]):
    """Strawberry's, which takes a message's shape for granted, refuses without a code, and asks only once who calls."""

    _access: LiveAccess | None = None
    _closing: asyncio.Task[None] | None = None

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        await super().handle_connection_init(message)
        principal = self.context.caller
        if self.connection_acknowledged and principal is not None and self._access is None:
            self._access = LiveAccess(self.context.credentials, principal, self.context.enter, self._end)
            self.context.resources.access.enter(self._access)

    def _end(self, reason: str) -> None:
        # In a task: a client that does not read would hold the others up.
        self._closing = asyncio.create_task(self._close(reason))

    async def _close(self, reason: str) -> None:
        for operation_id in list(self.operations):
            await self.cleanup_operation(operation_id)
        await self.websocket.close(code=FORBIDDEN, reason=reason)

    async def shutdown(self) -> None:
        if self._access is not None:
            self.context.resources.access.leave(self._access)
        await super().shutdown()
        if self._closing is not None:
            self._closing.cancel()

    async def handle_message(self, message: Message) -> None:
        if not _is_message(message):
            await self.handle_invalid_message("Not a message of graphql-transport-ws")
        else:
            await super().handle_message(message)

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        wanted = len(self.operations) + 1
        if message["id"] in self.operations or wanted <= SUBSCRIPTIONS_PER_SOCKET:
            await super().handle_subscribe(message)
            return
        problem = LimitExceeded(
            f"{wanted} operations on one socket; the limit is {SUBSCRIPTIONS_PER_SOCKET}.",
            limit=SUBSCRIPTIONS_PER_SOCKET,
            actual=wanted,
        )
        error = GraphQLError(problem.message, original_error=problem)
        publish(error, self.context.request_id)
        await self.send_message({"id": message["id"], "type": "error", "payload": [error.formatted]})

    async def run_operation(self, operation: Operation[Context, None]) -> None:
        if not live.is_subscription(operation.query, operation.operation_name, self.context):
            await self._run_once(operation)
            return
        variables, name = cast("dict[str, Any] | None", operation.variables), operation.operation_name
        results = live.subscribe(operation.query, variables, name, self.context)
        # The encoded result is spliced into the message: it is the same for all who watch.
        start = f'{{"type":"next","id":{orjson.dumps(operation.id).decode()},"payload":'
        socket = cast("ASGIWebSocketAdapter", self.websocket).ws
        try:
            async with aclosing(results):
                async for result in results:
                    await socket.send_text(f"{start}{result.decode()}}}")
            await operation.send_operation_message({"id": operation.id, "type": "complete"})
        except live.NotStarted as refused:
            await operation.send_initial_errors(refused.errors)
        except (WebSocketDisconnect, WebSocketDisconnected):
            # The reading side sees it too, and ends all operations.
            return

    async def _run_once(self, operation: Operation[Context, None]) -> None:
        try:
            parse_document(operation.query, self.context.resources.query_limits.tokens)
        except QueryTooComplex as problem:
            # Strawberry would end the operation without an answer.
            error = GraphQLError(problem.message, original_error=problem)
            publish(error, self.context.request_id)
            await operation.send_initial_errors([error])
            return
        except GraphQLSyntaxError:
            # Strawberry answers it as any other error of the document.
            pass
        await super().run_operation(operation)

    @staticmethod
    def _get_pre_execution_close_reason(error: GraphQLError) -> None:
        """Strawberry closes the socket, and every operation on it, for a document that does not parse."""
        return


class GraphQLWebSocket(GraphQL[Context, None]):
    """Who calls is known from connection_init, or from the handshake's headers where a client can set them."""

    graphql_transport_ws_handler_class = _Handler

    def __init__(self, resources: Resources) -> None:
        super().__init__(
            schema,
            graphql_ide=None,
            subscription_protocols=(GRAPHQL_TRANSPORT_WS_PROTOCOL,),
            connection_init_wait_timeout=timedelta(seconds=CONNECTION_INIT_SECONDS),
            max_subscriptions_per_connection=SUBSCRIPTIONS_PER_SOCKET,
            allowed_origins=resources.settings.allowed_origins,
        )
        self._resources = resources

    async def get_context(self, request: object, response: object) -> Context:
        context = Context(self._resources, uuid.uuid4().hex, live=True)
        if isinstance(request, WebSocket):
            context.credentials = Credentials(
                request.headers.get("authorization"), request.headers.get("x-workspace-id")
            )
        return context

    async def on_ws_connect(self, context: Context) -> dict[str, object]:
        params = context.connection_params or {}
        authorization = _text(params, "authorization", "Authorization") or context.credentials.authorization
        workspace = _text(params, "workspaceId", "X-Workspace-Id") or context.credentials.workspace
        context.credentials = Credentials(authorization, workspace)
        try:
            principal = await self._resources.authenticator.principal(context.credentials)
        except AppError:
            raise ConnectionRejectionError from None
        context.credentials = context.credentials.of(principal)
        context.enter(principal)
        return {"requestId": context.request_id}

    def decode_json(self, data: str | bytes) -> object:
        """As over HTTP: neither NaN, nor lone surrogates, nor numbers or nesting beyond measure."""
        return orjson.loads(data)

    def encode_json(self, data: object) -> str:
        return orjson.dumps(data, default=str).decode()


def _is_message(message: object) -> bool:
    if not isinstance(message, dict) or not isinstance(message.get("type"), str):
        return False
    if message["type"] == "connection_init" and message.get("payload") is None:
        # The specification allows null, which means the same as none.
        message.pop("payload", None)
    if message["type"] == "complete":
        return isinstance(message.get("id"), str)
    if message["type"] != "subscribe":
        return True
    payload = message.get("payload")
    return (
        isinstance(message.get("id"), str)
        and isinstance(payload, dict)
        and isinstance(payload.get("query"), str)
        and bool(payload["query"])
        and isinstance(payload.get("variables"), dict | None)
        and isinstance(payload.get("operationName"), str | None)
    )


def _text(params: Mapping[str, object], *names: str) -> str | None:
    for name in names:
        value = params.get(name)
        if isinstance(value, str):
            return value
    return None
