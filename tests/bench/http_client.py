"""HTTP/1.1 over one kept connection, as cheap as it gets: requests are ready-made bytes."""

import asyncio
import json
from typing import Any, Self, cast

from app.embedded.port import LOOPBACK

_HEAD_END = b"\r\n\r\n"
_LENGTH = b"content-length: "


class BadAnswer(Exception):
    """Not a complete 200; the message begins with the status."""


def graphql_request(api_key: str, query: str, variables: dict[str, Any]) -> bytes:
    """A POST to /graphql, head and body."""
    body = json.dumps({"query": query, "variables": variables}).encode()
    head = (
        f"POST /graphql HTTP/1.1\r\nHost: {LOOPBACK}\r\nAuthorization: Bearer {api_key}\r\n"
        f"Content-Type: application/json\r\nContent-Length: {len(body)}\r\n\r\n"
    )
    return head.encode() + body


class Connection(asyncio.Protocol):
    """One request at a time. Knows answers with a Content-Length only, which is what the service sends.

    The service closes connections on which nothing was asked for some seconds: the next request opens another.
    """

    def __init__(self, port: int) -> None:
        self._port = port
        self._received = bytearray()
        self._answer: asyncio.Future[bytes] | None = None
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, port: int) -> Self:
        """Raises OSError where nobody listens."""
        connection = cls(port)
        await connection._connect()
        return connection

    async def ask(self, request: bytes) -> bytes:
        """The body of the answer. Raises BadAnswer, and OSError where nobody listens any more."""
        if self._transport is None or self._transport.is_closing():
            await self._connect()
        assert self._transport is not None
        self._answer = asyncio.get_running_loop().create_future()
        self._transport.write(request)
        return await self._answer

    def close(self) -> None:
        if self._transport is not None:
            self._transport.close()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is one in all but name.
        self._transport = cast(asyncio.Transport, transport)

    def data_received(self, data: bytes) -> None:
        self._received += data
        end = self._received.find(_HEAD_END)
        if end < 0:
            return
        head = bytes(self._received[:end]).lower()
        length = head.find(_LENGTH)
        if length < 0:
            self._fail(f"no content-length: {head[:300]!r}")
            return
        begin = end + len(_HEAD_END)
        size = int(head[length + len(_LENGTH) :].split(b"\r\n", 1)[0])
        if len(self._received) < begin + size:
            return
        body = bytes(self._received[begin : begin + size])
        self._received.clear()
        if head.startswith(b"http/1.1 200 "):
            self._settle(body)
        else:
            self._fail(f"{head[9:12].decode()} {body[:300].decode(errors='replace')}")

    def connection_lost(self, error: Exception | None) -> None:
        self._received.clear()
        self._fail(f"the connection was lost: {error or 'closed by the server'}")

    async def _connect(self) -> None:
        await asyncio.get_running_loop().create_connection(lambda: self, LOOPBACK, self._port)

    def _settle(self, body: bytes) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_result(body)

    def _fail(self, reason: str) -> None:
        if self._answer is not None and not self._answer.done():
            self._answer.set_exception(BadAnswer(reason))
