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
    PingMessage,
    SubscribeMessage,
)

from app.db.availability import is_unavailable
from app.errors import AppError, LimitExceeded
from app.graphql import live
from app.graphql.access import LiveAccess
from app.graphql.admission import admit, as_graphql_error
from app.graphql.context import Context, Resources
from app.graphql.documents import parse_document
from app.graphql.errors import publish
from app.graphql.guard import QueryTooComplex
from app.graphql.limits import CONNECTION_INIT_SECONDS, SUBSCRIPTIONS_PER_SOCKET
from app.graphql.schema import schema
from app.graphql.socket_messages import complaint, reason
from app.graphql.trusted import document_of
from app.services.account.authenticate import Credentials
from app.services.limit.throttle import Throttled

log = structlog.get_logger(__name__)
# Close codes of graphql-transport-ws. The second: come back with other credentials.
UNAUTHORIZED = 4401
FORBIDDEN = 4403
ID_IN_USE = 4409
# A close code of WebSocket itself.
TRY_AGAIN_LATER = 1013


class _Operation(Operation[Context, None]):
    """With all of its `request`, which may name a document instead of having one."""

    __slots__ = ("request",)

    def __init__(self, handler: "_Handler", operation_id: str, request: dict[str, Any]) -> None:
        query, variables, name = request.get("query") or "", request.get("variables"), request.get("operationName")
        super().__init__(handler, operation_id, query, variables, name)
        self.request = request


class _Handler(BaseGraphQLTransportWSHandler[Context, None]):
    """Strawberry's, which takes a message's shape for granted, refuses without a code, and asks only once who calls."""

    _access: LiveAccess | None = None
    _closing: asyncio.Task[None] | None = None

    async def handle_connection_init(self, message: ConnectionInitMessage) -> None:
        if message.get("payload") is None:
            # Which means the same as none; Strawberry takes it for one that is wrong.
            message.pop("payload", None)
        try:
            await super().handle_connection_init(message)
        except Exception as error:
            if not is_unavailable(error):
                raise
            log.warning("socket refused: the database does not answer", reason=type(error).__name__)
            await self.websocket.close(code=TRY_AGAIN_LATER, reason="The database does not answer at the moment")
            return
        caller = self.context.caller
        if self.connection_acknowledged and caller is not None and self._access is None:
            self._access = LiveAccess(self.context.credentials, caller, self.context.enter, self._end)
            self.context.resources.access.enter(self._access)

    def _end(self, why: str) -> None:
        # In a task: a client that does not read would hold the others up.
        self._closing = asyncio.create_task(self._close(why))

    async def _close(self, why: str) -> None:
        for operation_id in list(self.operations):
            await self.cleanup_operation(operation_id)
        await self.websocket.close(code=FORBIDDEN, reason=reason(why))

    async def shutdown(self) -> None:
        if self._access is not None:
            self.context.resources.access.leave(self._access)
        await super().shutdown()
        if self._closing is not None:
            self._closing.cancel()

    async def handle_message(self, message: Message) -> None:
        wrong = complaint(message)
        if wrong is not None:
            await self.handle_invalid_message(wrong)
        else:
            await super().handle_message(message)

    async def handle_ping(self, message: PingMessage) -> None:
        payload = message.get("payload")
        await self.send_message({"type": "pong"} if payload is None else {"type": "pong", "payload": payload})

    async def handle_subscribe(self, message: SubscribeMessage) -> None:
        """Strawberry's, with a document that may be named by its hash, and a reason that fits into a frame."""
        operation_id, wanted = message["id"], len(self.operations) + 1
        if not self.connection_acknowledged:
            await self.websocket.close(code=UNAUTHORIZED, reason="Unauthorized")
        elif operation_id in self.operations:
            await self.websocket.close(code=ID_IN_USE, reason=reason(f"Subscriber for {operation_id} already exists"))
        elif wanted > SUBSCRIPTIONS_PER_SOCKET:
            await self._refuse_one_more(operation_id, wanted)
        else:
            operation = _Operation(self, operation_id, cast("dict[str, Any]", message["payload"]))
            self.operations[operation_id] = operation
            operation.task = asyncio.create_task(self.run_operation(operation))
            operation.task.add_done_callback(self._task_done)

    async def _refuse_one_more(self, operation_id: str, wanted: int) -> None:
        problem = LimitExceeded(
            f"{wanted} operations on one socket; the limit is {SUBSCRIPTIONS_PER_SOCKET}.",
            limit=SUBSCRIPTIONS_PER_SOCKET,
            actual=wanted,
        )
        error = GraphQLError(problem.message, original_error=problem)
        publish(error, self.context.request_id)
        await self.send_message({"id": operation_id, "type": "error", "payload": [error.formatted]})

    async def run_operation(self, operation: Operation[Context, None]) -> None:
        assert isinstance(operation, _Operation)
        try:
            operation.query = await document_of(operation.request, self.context)
        except Exception as problem:
            # The boundary of the task. Publishing it logs what nobody expected.
            error = GraphQLError(str(problem), original_error=problem)
            publish(error, self.context.request_id)
            await operation.send_initial_errors([error])
            return
        try:
            await admit(self.context, operation.query, operation.operation_name, operation.variables)
        except (Throttled, QueryTooComplex) as refused:
            await operation.send_initial_errors([as_graphql_error(refused, self.context)])
            return
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
            caller = await self._resources.authenticator.caller(context.credentials)
        except AppError:
            raise ConnectionRejectionError from None
        context.credentials = context.credentials.of(caller)
        context.enter(caller)
        return {"requestId": context.request_id}

    def decode_json(self, data: str | bytes) -> object:
        """As over HTTP: neither NaN, nor lone surrogates, nor numbers or nesting beyond measure."""
        return orjson.loads(data)

    def encode_json(self, data: object) -> str:
        return orjson.dumps(data, default=str).decode()


def _text(params: Mapping[str, object], *names: str) -> str | None:
    for name in names:
        value = params.get(name)
        if isinstance(value, str):
            return value
    return None
