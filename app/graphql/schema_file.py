"""GET /schema.graphql: the schema as text, for whoever may ask for it in a document too."""

import uuid

from starlette.datastructures import Headers
from starlette.responses import PlainTextResponse, Response
from starlette.types import Receive, Scope, Send

from app.graphql.context import Resources
from app.graphql.http import broken, caller, credentials_of
from app.graphql.requests import Refused, media_type, only, refusal
from app.graphql.schema import schema
from app.graphql.validation import SchemaHidden


class SchemaFile:
    """An ASGI app for one path."""

    def __init__(self, resources: Resources) -> None:
        self._resources = resources
        self._text = schema.as_str() + "\n"

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        request_id = uuid.uuid4().hex
        headers = Headers(scope=scope)
        try:
            response = await self._answer(scope["method"], headers)
        except Exception as error:
            response = refusal(headers, broken(error, media_type(headers)), request_id)
        response.headers["X-Request-Id"] = request_id
        await response(scope, receive, send)

    async def _answer(self, method: str, headers: Headers) -> Response:
        only(method, "GET", "HEAD")
        if await caller(self._resources, credentials_of(headers)) is None:
            raise Refused(401, "UNAUTHENTICATED", SchemaHidden().message, WWW_Authenticate="Bearer")
        return PlainTextResponse(self._text)
