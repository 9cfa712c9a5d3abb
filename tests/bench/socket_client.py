"""A subscription over a WebSocket of its own, as cheap as it gets: what comes is noted, and read afterwards.

Frames are RFC 6455's, messages those of graphql-transport-ws. Ours are masked with zeros: a mask too, and free.
"""

import asyncio
import base64
import json
import secrets
import struct
import time
from collections.abc import Callable
from typing import Any, Self, cast

from app.embedded.port import LOOPBACK

_TEXT, _CLOSE, _PING, _PONG = 0x1, 0x8, 0x9, 0xA
_FINAL, _MASKED = 0x80, 0x80
_NEXT = b'"type":"next"'


class SocketFailed(Exception):
    """The server refused, closed, or sent something that is no event."""


class Subscription(asyncio.Protocol):
    """`received` has what came after the opening event: seconds of `time.perf_counter`, and the message's JSON.

    `failure` says why nothing comes any more; None while all is well.
    """

    def __init__(self, api_key: str, query: str) -> None:
        self.received: list[tuple[float, bytes]] = []
        self.failure: str | None = None
        self.on_event: Callable[[bytes], None] | None = None
        self._api_key = api_key
        self._query = query
        self._buffer = bytearray()
        self._upgraded = False
        self._opened: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._transport: asyncio.Transport | None = None

    @classmethod
    async def open(cls, port: int, api_key: str, query: str) -> Self:
        """Returns with the opening event, which is not noted. Raises SocketFailed."""
        loop = asyncio.get_running_loop()
        _, subscription = await loop.create_connection(lambda: cls(api_key, query), LOOPBACK, port)
        await subscription.opening()
        return subscription

    async def opening(self) -> None:
        """Returns with the opening event. Raises SocketFailed."""
        await self._opened

    def close(self) -> None:
        self.failure = self.failure or "closed by us"
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        # uvloop's is one in all but name.
        self._transport = cast(asyncio.Transport, transport)
        key = base64.b64encode(secrets.token_bytes(16)).decode()
        self._transport.write(
            f"GET /graphql HTTP/1.1\r\nHost: {LOOPBACK}\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: {key}\r\n"
            "Sec-WebSocket-Protocol: graphql-transport-ws\r\n\r\n".encode()
        )

    def data_received(self, data: bytes) -> None:
        now = time.perf_counter()
        self._buffer += data
        if not self._upgraded and not self._upgrade():
            return
        while (frame := self._next_frame()) is not None:
            self._take(now, *frame)

    def connection_lost(self, error: Exception | None) -> None:
        self._fail(f"the connection was lost: {error or 'closed by the server'}")

    def _upgrade(self) -> bool:
        end = self._buffer.find(b"\r\n\r\n")
        if end < 0:
            return False
        head = bytes(self._buffer[:end])
        del self._buffer[: end + 4]
        if not head.startswith(b"HTTP/1.1 101 "):
            self._fail(head[:200].decode(errors="replace"))
            return False
        self._upgraded = True
        self._send({"type": "connection_init", "payload": {"authorization": f"Bearer {self._api_key}"}})
        self._send({"id": "1", "type": "subscribe", "payload": {"query": self._query}})
        return True

    def _next_frame(self) -> tuple[int, bytes] | None:
        """(first byte, payload) of a whole frame; None while there is none."""
        buffer = self._buffer
        if len(buffer) < 2:
            return None
        begin, size = 2, buffer[1]
        if size == 126:
            begin, size = 4, int.from_bytes(buffer[2:4], "big")
        elif size == 127:
            begin, size = 10, int.from_bytes(buffer[2:10], "big")
        if len(buffer) < begin + size:
            return None
        payload = bytes(buffer[begin : begin + size])
        first = buffer[0]
        del buffer[: begin + size]
        return first, payload

    def _take(self, now: float, first: int, payload: bytes) -> None:
        if first == _FINAL | _TEXT:
            self._take_message(now, payload)
        elif first == _FINAL | _PING:
            self._frame(_PONG, payload)
        elif first == _FINAL | _CLOSE:
            self._fail(f"closed {int.from_bytes(payload[:2], 'big')} {payload[2:].decode(errors='replace')}")
        elif first != _FINAL | _PONG:
            self._fail(f"a frame that begins with {first:#x}")

    def _take_message(self, now: float, payload: bytes) -> None:
        if not self._opened.done():
            self._take_opening(payload)
        elif _NEXT in payload:
            self.received.append((now, payload))
            if self.on_event is not None:
                self.on_event(payload)
        elif json.loads(payload)["type"] == "ping":
            self._send({"type": "pong"})
        else:
            self._fail(payload[:300].decode(errors="replace"))

    def _take_opening(self, payload: bytes) -> None:
        """The acknowledgement, then the first event, which tells the present state."""
        message = json.loads(payload)
        match message["type"]:
            case "next" if "errors" not in message["payload"]:
                self._opened.set_result(None)
            case "ping":
                self._send({"type": "pong"})
            case "connection_ack":
                pass
            case _:
                self._fail(payload[:300].decode(errors="replace"))

    def _send(self, message: dict[str, Any]) -> None:
        self._frame(_TEXT, json.dumps(message).encode())

    def _frame(self, opcode: int, payload: bytes) -> None:
        assert self._transport is not None
        size = len(payload)
        length = bytes((_MASKED | size,)) if size < 126 else struct.pack("!BH", _MASKED | 126, size)
        self._transport.write(bytes((_FINAL | opcode,)) + length + bytes(4) + payload)

    def _fail(self, reason: str) -> None:
        self.failure = self.failure or reason
        if not self._opened.done():
            self._opened.set_exception(SocketFailed(reason))
        if self._transport is not None:
            self._transport.abort()
