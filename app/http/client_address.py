"""Whose address a request comes from, for everything that counts by address."""

from starlette.types import ASGIApp, Receive, Scope, Send

from app.principal import client_address


class ClientAddress:
    """The peer's, or what a proxy that is trusted says (uvicorn reads X-Forwarded-For of BIZQ_TRUSTED_PROXIES)."""

    def __init__(self, app: ASGIApp) -> None:
        self._app = app

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        client = scope.get("client")
        if client:
            client_address.set(client[0])
        await self._app(scope, receive, send)
