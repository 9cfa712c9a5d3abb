"""Which web pages may use the API: those of its own origin, and those of ALLOWED_ORIGINS.

A browser asks before it lets a page of another origin send JSON, or read an answer; it does not ask before it opens a
WebSocket or sends what a form could send. So everything that executes GraphQL looks at `Origin` itself. Clients that
are no browsers do not send it.
"""

from collections.abc import Collection

import orjson
import structlog
from starlette.datastructures import Headers
from starlette.responses import Response
from starlette.types import ASGIApp, Receive, Scope, Send
from starlette.websockets import WebSocket
from strawberry.http.websocket_origin import is_same_origin, normalize_origin

log = structlog.get_logger(__name__)

_MESSAGE = "Pages of this origin may not use the API: its operator allows origins in ALLOWED_ORIGINS."
_BODY = orjson.dumps({"errors": [{"message": _MESSAGE, "extensions": {"code": "FORBIDDEN"}}]})
_LOGGED = 200


class KnownOrigins:
    """Refuses the pages of all others with 403, before anything of the request is looked at."""

    def __init__(self, app: ASGIApp, allowed: Collection[str]) -> None:
        self._app = app
        self._allowed = frozenset(allowed)

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        headers = Headers(scope=scope)
        origin = headers.get("origin")
        if origin is None or self._is_known(origin, headers):
            await self._app(scope, receive, send)
            return
        log.info("page of a foreign origin refused", origin=origin[:_LOGGED])
        response = Response(_BODY, 403, media_type="application/json")
        if scope["type"] == "websocket":
            await WebSocket(scope, receive, send).send_denial_response(response)
        else:
            await response(scope, receive, send)

    def _is_known(self, origin: str, headers: Headers) -> bool:
        # A proxy may have changed Host; what a browser says of itself it has not. "null", of a sandboxed frame or a
        # file, is nobody's origin.
        own = headers.get("sec-fetch-site") == "same-origin" or is_same_origin(origin, headers.get("host"))
        return own or normalize_origin(origin) in self._allowed
