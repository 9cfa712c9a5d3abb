"""Security headers on every answer, as pure ASGI: a wrapper class that buffers would break cancelled requests."""

from starlette.datastructures import MutableHeaders
from starlette.types import ASGIApp, Message, Receive, Scope, Send

SECURITY_HEADERS = {
    "X-Content-Type-Options": "nosniff",
    "X-Frame-Options": "DENY",
    "Content-Security-Policy": "default-src 'none'; frame-ancestors 'none'",
    "Referrer-Policy": "no-referrer",
    "Strict-Transport-Security": "max-age=31536000; includeSubDomains",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Cache-Control": "no-store",
}
# A handshake is refused by closing it, which the server would answer for us, without headers.
_REFUSED: Message = {"type": "websocket.http.response.start", "status": 403, "headers": [(b"content-length", b"0")]}
_STARTS = ("http.response.start", "websocket.http.response.start")


class SecurityHeaders:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        open_handshake = scope["type"] == "websocket" and "websocket.http.response" in scope.get("extensions", {})

        async def send_with_headers(message: Message) -> None:
            nonlocal open_handshake
            refused = open_handshake and message["type"] == "websocket.close"
            open_handshake = False
            if refused:
                message = {**_REFUSED, "headers": list(_REFUSED["headers"])}
            if message["type"] in _STARTS:
                headers = MutableHeaders(scope=message)
                for name, value in SECURITY_HEADERS.items():
                    headers.setdefault(name, value)
            await send(message)
            if refused:
                await send({"type": "websocket.http.response.body", "body": b""})

        await self._app(scope, receive, send_with_headers)
