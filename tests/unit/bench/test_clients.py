"""The clients read what a server sends, in whatever pieces it comes."""

import asyncio
import json
from typing import Any, cast

import pytest

from app.embedded.port import LOOPBACK
from tests.bench.http_client import BadAnswer, Connection
from tests.bench.socket_client import SocketFailed, Subscription

ANSWER = b'HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 9\r\n\r\n{"a": 1}\n'
UPGRADE = b"HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n\r\n"
NEXT = {"id": "1", "type": "next", "payload": {"data": {}}}


class Wire:
    """The other end's view: what was written, and whether it was closed."""

    def __init__(self) -> None:
        self.written: list[bytes] = []
        self.aborted = False

    def write(self, data: bytes) -> None:
        self.written.append(data)

    def is_closing(self) -> bool:
        return self.aborted

    def abort(self) -> None:
        self.aborted = True


def frame(payload: bytes, first: int = 0x81) -> bytes:
    size = len(payload)
    length = bytes((size,)) if size < 126 else bytes((126,)) + size.to_bytes(2, "big")
    return bytes((first,)) + length + payload


def text(message: dict[str, Any]) -> bytes:
    return frame(json.dumps(message, separators=(",", ":")).encode())


def asked() -> tuple[Connection, "asyncio.Task[bytes]"]:
    connection = Connection(1)
    connection.connection_made(cast(asyncio.BaseTransport, Wire()))
    return connection, asyncio.get_running_loop().create_task(connection.ask(b"POST"))


def opened() -> tuple[Subscription, Wire]:
    """A subscription that has had its opening event."""
    subscription, wire = Subscription("key", "subscription { taskEvents { seq } }"), Wire()
    subscription.connection_made(cast(asyncio.BaseTransport, wire))
    subscription.data_received(UPGRADE + text({"type": "connection_ack"}) + text(NEXT))
    return subscription, wire


@pytest.mark.parametrize("size", [1, 7, len(ANSWER)])
async def test_an_answer_may_come_in_pieces(size: int) -> None:
    # given
    connection, asking = asked()
    await asyncio.sleep(0)
    # when
    for begin in range(0, len(ANSWER), size):
        connection.data_received(ANSWER[begin : begin + size])
    # then
    assert await asking == b'{"a": 1}\n'


@pytest.mark.parametrize(
    ("answer", "reason"),
    [
        (b"HTTP/1.1 503 Service Unavailable\r\ncontent-length: 4\r\n\r\nlate", "503 late"),
        (b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n", "no content-length"),
    ],
    ids=["refused", "chunked"],
)
async def test_an_answer_that_is_no_complete_200_is_bad(answer: bytes, reason: str) -> None:
    # given
    connection, asking = asked()
    await asyncio.sleep(0)
    # when
    connection.data_received(answer)
    # then
    with pytest.raises(BadAnswer, match=reason):
        await asking


async def test_a_lost_connection_is_a_bad_answer() -> None:
    # given
    connection, asking = asked()
    await asyncio.sleep(0)
    # when
    connection.connection_lost(None)
    # then
    with pytest.raises(BadAnswer, match="lost"):
        await asking


async def test_a_connection_that_the_server_closed_meanwhile_is_opened_again() -> None:
    # given
    async def answer_once(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readexactly(4)
        writer.write(ANSWER)
        writer.close()

    async with await asyncio.start_server(answer_once, LOOPBACK, 0) as server:
        connection = await Connection.open(server.sockets[0].getsockname()[1])
        first = await connection.ask(b"POST")
        await asyncio.sleep(0.05)
        # when
        second = await connection.ask(b"POST")
        connection.close()
    # then
    assert first == second == b'{"a": 1}\n'


async def test_events_after_the_opening_one_are_noted_in_whatever_pieces_they_come() -> None:
    # given
    subscription, _ = opened()
    long = NEXT | {"payload": {"data": "x" * 300}}
    # when
    for byte in text(NEXT) + text(long):
        subscription.data_received(bytes((byte,)))
    # then
    assert [json.loads(message) for _, message in subscription.received] == [NEXT, long]
    assert subscription.failure is None


async def test_every_event_is_told_to_who_waits() -> None:
    # given
    subscription, _ = opened()
    told: list[bytes] = []
    subscription.on_event = told.append
    # when
    subscription.data_received(text(NEXT) * 3)
    # then
    assert len(told) == 3


async def test_pings_of_both_protocols_are_answered() -> None:
    # given
    subscription, wire = opened()
    wire.written.clear()
    # when
    subscription.data_received(frame(b"abc", first=0x89) + text({"type": "ping"}))
    # then
    assert wire.written == [
        b"\x8a\x83\0\0\0\0abc",
        b"\x81\x90\0\0\0\0" + b'{"type": "pong"}',
    ]


@pytest.mark.parametrize(
    ("data", "failure"),
    [
        (frame((1012).to_bytes(2, "big") + b"restart", first=0x88), "closed 1012 restart"),
        (text({"id": "1", "type": "error", "payload": []}), '{"id":"1","type":"error","payload":[]}'),
        (frame(b"half", first=0x01), "a frame that begins with 0x1"),
    ],
    ids=["closed", "error", "fragment"],
)
async def test_the_first_end_of_a_subscription_is_told(data: bytes, failure: str) -> None:
    # given
    subscription, wire = opened()
    # when
    subscription.data_received(data)
    subscription.connection_lost(None)
    # then
    assert (subscription.failure, wire.aborted) == (failure, True)


@pytest.mark.parametrize(
    "data",
    [b"HTTP/1.1 403 Forbidden\r\n\r\n", UPGRADE + text({"type": "error", "payload": [{"message": "no"}]})],
    ids=["no-upgrade", "refused"],
)
async def test_a_subscription_that_is_refused_does_not_open(data: bytes) -> None:
    # given
    subscription = Subscription("key", "subscription { taskEvents { seq } }")
    subscription.connection_made(cast(asyncio.BaseTransport, Wire()))
    # when
    subscription.data_received(data)
    # then
    with pytest.raises(SocketFailed):
        await subscription.opening()
