"""GraphQL over HTTP, and over WebSocket as graphql-transport-ws, to a running API.

Protocols: the GraphQL-over-HTTP specification, and github.com/enisdenjo/graphql-ws PROTOCOL.md.
"""

import asyncio
import json
import os
from collections.abc import AsyncGenerator, AsyncIterator, Mapping
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit, urlunsplit

import httpx
from websockets.asyncio.client import ClientConnection, connect
from websockets.exceptions import InvalidHandshake, InvalidURI, WebSocketException
from websockets.typing import Subprotocol

from app.cli.console import err
from app.cli.environment import running_instance
from app.errors import AppError, ErrorCode

PROTOCOL = Subprotocol("graphql-transport-ws")
CONNECT_SECONDS = 5.0
ANSWER_SECONDS = 30.0
MAX_MESSAGE_BYTES = 16 * 1024 * 1024
_OPERATION = "1"
_PATH = "/graphql"
# Close codes of graphql-transport-ws that mean: do not come back with the same credentials.
_REFUSED = (4400, 4401, 4403)


class NoService(AppError):
    """No address or no key is known. The message says how to start an instance."""

    code = ErrorCode.INVALID_STATE


class Unreachable(AppError):
    """Nobody answers at the address, or the answer is not one of ours. Trying again may help."""

    code = ErrorCode.INVALID_STATE


class Refused(AppError):
    """The service answered with an error: the message is its own."""

    code = ErrorCode.INVALID_STATE


class Throttled(Refused):
    """Too much in too short a time: nothing was done, and after `retry_after` seconds it can be."""

    def __init__(self, message: str, retry_after: float) -> None:
        self.retry_after = retry_after
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Address:
    """`url` is the API's root, without a slash at its end."""

    url: str
    api_key: str

    @property
    def graphql(self) -> str:
        return self.url + _PATH

    @property
    def socket(self) -> str:
        parts = urlsplit(self.graphql)
        return urlunsplit(parts._replace(scheme="wss" if parts.scheme == "https" else "ws"))

    @property
    def is_loopback(self) -> bool:
        """Then no proxy of the environment lies between."""
        return urlsplit(self.url).hostname in ("127.0.0.1", "localhost", "::1")

    @property
    def headers(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.api_key}"}


def find_service() -> Address:
    """BIZQ_URL and BIZQ_API_KEY, else the embedded instance running in BIZQ_DATA_DIR. Raises NoService.

    The instance's key is not sent to another address than its own.
    """
    url, api_key, instance = os.environ.get("BIZQ_URL"), os.environ.get("BIZQ_API_KEY"), running_instance()
    if not url:
        if instance is None:
            raise NoService("No BizQ is running here. Start one with `bizq up`, or set BIZQ_URL and BIZQ_API_KEY.")
        return Address(_root(instance.url), api_key or instance.api_key)
    if not api_key and (instance is None or _root(instance.url) != _root(url)):
        raise NoService("BIZQ_API_KEY is not set: the API key of a workspace at BIZQ_URL.")
    return Address(_root(url), api_key or (instance.api_key if instance else ""))


def _root(url: str) -> str:
    """Also takes the address of the GraphQL endpoint, which is what people copy. Raises NoService for another thing."""
    root = url.rstrip("/").removesuffix(_PATH).rstrip("/")
    parts = urlsplit(root)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise NoService(f"BIZQ_URL is {url}, which is not an address such as http://127.0.0.1:8000.")
    return root


class Client:
    """One caller's requests; made by `open_client`."""

    def __init__(self, address: Address, http: httpx.AsyncClient) -> None:
        self.address = address
        self._http = http

    async def execute(self, document: str, **variables: Any) -> dict[str, Any]:
        """`data` of a query or mutation, as soon as the caller has the points for it. Raises Unreachable, or Refused
        with the service's first error."""
        while True:
            try:
                return await self._execute(document, variables)
            except Throttled as throttled:
                err.print(f"Too many requests; going on in {throttled.retry_after:g} s …", style="yellow")
                await asyncio.sleep(throttled.retry_after)

    async def _execute(self, document: str, variables: Mapping[str, Any]) -> dict[str, Any]:
        body = {"query": document, "variables": variables}
        try:
            response = await self._http.post(self.address.graphql, json=body)
            answer = response.json()
        except httpx.HTTPError as error:
            raise self._unreachable(error) from None
        except ValueError:
            raise Unreachable(f"{self.address.url} answered {response.status_code}, not as BizQ would.") from None
        data = _data(answer)
        if data is None:
            raise Unreachable(f"{self.address.url} answered {response.status_code}, not as BizQ would.")
        return data

    async def mutate(self, document: str, **variables: Any) -> dict[str, Any]:
        """The payload of a document's only mutation. Raises Refused for errors in it, too."""
        (payload,) = (await self.execute(document, **variables)).values()
        if payload["errors"]:
            raise Refused(payload["errors"][0]["message"])
        result: dict[str, Any] = payload
        return result

    async def subscribe(self, document: str, **variables: Any) -> AsyncGenerator[dict[str, Any], None]:
        """`data` of each event until the stream completes. Raises Unreachable when the socket drops, or Refused."""
        try:
            async with connect(
                self.address.socket,
                subprotocols=[PROTOCOL],
                open_timeout=CONNECT_SECONDS,
                max_size=MAX_MESSAGE_BYTES,
                close_timeout=1,
                proxy=None if self.address.is_loopback else True,
            ) as socket:
                await self._open(socket)
                await socket.send(
                    _message("subscribe", id=_OPERATION, payload={"query": document, "variables": variables})
                )
                async for text in socket:
                    message = json.loads(text)
                    match message["type"]:
                        case "next":
                            data = _data(message["payload"])
                            if data is not None:
                                yield data
                        case "error":
                            raise Refused(message["payload"][0]["message"])
                        case "complete":
                            return
                        case "ping":
                            await socket.send(_message("pong"))
                # A socket that closes normally without completing is as good as lost.
                raise Unreachable(f"{self.address.url} closed the connection.")
        except (WebSocketException, OSError, TimeoutError, ValueError, KeyError) as error:
            raise self._lost(error) from None

    async def _open(self, socket: ClientConnection) -> None:
        await socket.send(_message("connection_init", payload={"authorization": self.address.headers["Authorization"]}))
        message = json.loads(await socket.recv())
        if message["type"] != "connection_ack":
            raise ValueError("the service did not acknowledge the connection")

    def _lost(self, error: Exception) -> AppError:
        close = getattr(error, "rcvd", None)
        if close is not None and close.code in _REFUSED:
            return Refused(f"{self.address.url} refused the subscription: {close.reason or close.code}.")
        if isinstance(error, InvalidHandshake | InvalidURI):
            return Unreachable(f"{self.address.url} does not take WebSockets: {error}.")
        return self._unreachable(error)

    def _unreachable(self, error: Exception) -> Unreachable:
        reason = str(error) or type(error).__name__
        return Unreachable(
            f"No BizQ answers at {self.address.url} ({reason}). Start one with `bizq up`, or set BIZQ_URL."
        )


@asynccontextmanager
async def open_client() -> AsyncIterator[Client]:
    address = find_service()
    timeout = httpx.Timeout(ANSWER_SECONDS, connect=CONNECT_SECONDS)
    trust_env = not address.is_loopback
    async with httpx.AsyncClient(timeout=timeout, headers=address.headers, trust_env=trust_env) as http:
        yield Client(address, http)


def _message(kind: str, **rest: Any) -> str:
    return json.dumps({"type": kind, **rest})


def _data(answer: Any) -> dict[str, Any] | None:
    """Raises Refused for the first error."""
    if not isinstance(answer, Mapping):
        return None
    if answer.get("errors"):
        error = answer["errors"][0]
        retry_after = error.get("extensions", {}).get("retryAfterSeconds")
        if retry_after is not None:
            raise Throttled(str(error.get("message")), retry_after)
        raise Refused(str(error.get("message")))
    data: dict[str, Any] | None = answer.get("data")
    return data
