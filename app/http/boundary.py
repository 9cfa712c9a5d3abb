"""The last resort: what no route expected is logged once and answered with a request id, with every header."""

import uuid
from collections.abc import MutableMapping
from typing import Any

import orjson
import structlog
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket

log = structlog.get_logger(__name__)

_MESSAGE = "Something went wrong on our side. Quote the requestId if you report it."
# RFC 6455: an unexpected condition.
_INTERNAL_ERROR = 1011


class Boundary:
    """Pure ASGI. An answer that had begun is broken off instead."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        begun = ended = False

        async def watched(message: MutableMapping[str, Any]) -> None:
            nonlocal begun, ended
            begun, ended = True, message["type"] == "websocket.close"
            await send(message)

        try:
            await self._app(scope, receive, watched)
        except Exception:
            # The boundary of the process.
            request_id = uuid.uuid4().hex
            log.exception("request broke", request_id=request_id, path=scope.get("path"))
            if scope["type"] not in ("http", "websocket") or (begun and scope["type"] == "http"):
                raise
            if ended:
                return
            if begun:
                await send({"type": "websocket.close", "code": _INTERNAL_ERROR})
                return
            response = _answer(request_id)
            if scope["type"] == "websocket":
                await WebSocket(scope, receive, send).send_denial_response(response)
            else:
                await response(scope, receive, send)


def _answer(request_id: str) -> Response:
    error = {"message": _MESSAGE, "extensions": {"code": "INTERNAL", "requestId": request_id}}
    return Response(orjson.dumps({"errors": [error]}), 500, {"X-Request-Id": request_id}, "application/json")
