"""POST /webhooks/in/replicate: Replicate says that a prediction has ended.

It only wakes the worker that waits for it, which then asks Replicate itself. So nothing is stored, what comes twice or
too late does no harm, and of the body nothing but the prediction's id is believed.
"""

import re
import time
from collections.abc import Awaitable, Callable

import orjson
import structlog
from starlette.requests import Request
from starlette.responses import PlainTextResponse, Response
from starlette.routing import Route

from app.providers.replicate_predictions import prediction_channel
from app.providers.standard_webhooks import NotAuthentic, claimed, verify
from app.settings import REPLICATE_WEBHOOK_PATH

log = structlog.get_logger(__name__)

# It holds the input, which is at most a task's, and the output. What is larger is noticed by polling.
MAX_BYTES = 1_048_576
_ID = re.compile(r"[A-Za-z0-9]{1,64}", re.ASCII)
Publish = Callable[[str], Awaitable[None]]


class ReplicateWebhook:
    """`publish` wakes a channel in all processes, and does not fail."""

    def __init__(self, secret: str, publish: Publish) -> None:
        self._secret = secret
        self._publish = publish

    def route(self) -> Route:
        return Route(REPLICATE_WEBHOOK_PATH, self._receive, methods=["POST"])

    async def _receive(self, request: Request) -> Response:
        try:
            claim = claimed(request.headers, time.time())
            body = await _body(request)
            if body is None:
                return PlainTextResponse(f"The body is larger than {MAX_BYTES} bytes.\n", 413)
            verify(claim, body, self._secret)
        except NotAuthentic as error:
            log.warning("a webhook of Replicate was refused", reason=error.message)
            return PlainTextResponse(f"{error.message}\n", 401)
        prediction_id = _prediction_id(body)
        if prediction_id is None:
            return PlainTextResponse("The body is no prediction.\n", 400)
        await self._publish(prediction_channel(prediction_id))
        return Response(status_code=202)


async def _body(request: Request) -> bytes | None:
    """None for one that is too large, of which no more is read than that."""
    body = bytearray()
    async for chunk in request.stream():
        body += chunk
        if len(body) > MAX_BYTES:
            return None
    return bytes(body)


def _prediction_id(body: bytes) -> str | None:
    try:
        prediction = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    identifier = prediction.get("id") if isinstance(prediction, dict) else None
    return identifier if isinstance(identifier, str) and _ID.fullmatch(identifier) else None
