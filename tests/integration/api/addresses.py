"""Requests from any address: an app that believes the header which Person sends."""

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Receive, Scope, Send

CLIENT = "X-Test-Client"


class BelievesClient:
    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] in ("http", "websocket") and (address := Headers(scope=scope).get(CLIENT)):
            scope = {**scope, "client": (address, 50_000)}
        await self._app(scope, receive, send)
