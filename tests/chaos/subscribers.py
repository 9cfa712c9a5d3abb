"""Watchers of a whole workspace, who resume with their last cursor wherever they are let in."""

import asyncio
import json
import random
from collections import Counter
from dataclasses import dataclass
from typing import Any

import websockets

from tests.chaos.service import Service

SUBSCRIBERS = 20
CONNECT_SECONDS = 4.0
# A frozen process keeps its sockets open; who does not answer a ping is taken for dead.
PING_SECONDS, PONG_SECONDS = 2.0, 4.0
PAUSE_SECONDS = (0.1, 0.5)
_PROTOCOL = websockets.Subprotocol("graphql-transport-ws")
_NORMAL_CLOSURE = 1000

WATCH = "subscription($after: String) { taskEvents(after: $after) { cursor seq kind gap task { id } } }"


@dataclass(frozen=True, slots=True)
class Event:
    task_id: str
    seq: int
    kind: str


class _Ended(Exception):
    """The server ended the subscription or answered something else than an event; the message says what."""


class Subscriber:
    """`received` is everything that came after the opening event, in order, over all its connections."""

    def __init__(self, name: str, workspace: int, service: Service, rng: random.Random) -> None:
        self.name = name
        self.workspace = workspace
        self.received: list[Event] = []
        self.gaps: list[str] = []
        self.endings: Counter[str] = Counter()
        self.opened = asyncio.Event()
        self.complete = asyncio.Event()
        self._service = service
        self._rng = rng
        self._cursor: str | None = None
        self._distinct: set[Event] = set()
        self._expected: int | None = None

    def expect(self, events: int) -> None:
        """`complete` is set as soon as there are so many."""
        self._expected = events
        self._settle()

    async def run(self) -> None:
        """Until it is cancelled."""
        while True:
            try:
                await self._watch(self._rng.choice(self._service.urls))
            except websockets.ConnectionClosed as closed:
                self.endings[f"closed {closed.rcvd.code}" if closed.rcvd else "connection lost"] += 1
            except _Ended as ended:
                self.endings[str(ended)] += 1
            except (OSError, TimeoutError, websockets.WebSocketException) as error:
                self.endings[f"not connected: {type(error).__name__}"] += 1
            await asyncio.sleep(self._rng.uniform(*PAUSE_SECONDS))

    async def _watch(self, url: str) -> None:
        async with websockets.connect(
            url.replace("http", "ws", 1) + "/graphql",
            subprotocols=[_PROTOCOL],
            open_timeout=CONNECT_SECONDS,
            ping_interval=PING_SECONDS,
            ping_timeout=PONG_SECONDS,
            close_timeout=1,
            proxy=None,
        ) as socket:
            await socket.send(json.dumps({"type": "connection_init", "payload": self._credentials()}))
            async with asyncio.timeout(CONNECT_SECONDS):
                if (first := json.loads(await socket.recv()))["type"] != "connection_ack":
                    raise _Ended(first["type"])
            payload = {"query": WATCH, "variables": {"after": self._cursor}}
            await socket.send(json.dumps({"id": "1", "type": "subscribe", "payload": payload}))
            async for text in socket:
                await self._take(socket, json.loads(text))
        raise _Ended(f"closed {_NORMAL_CLOSURE}")

    def _credentials(self) -> dict[str, str]:
        return {"authorization": f"Bearer {self._service.api_key}"}

    async def _take(self, socket: websockets.ClientConnection, message: dict[str, Any]) -> None:
        match message["type"]:
            case "ping":
                await socket.send('{"type": "pong"}')
            case "next" if "errors" not in message["payload"]:
                self._note(message["payload"]["data"]["taskEvents"])
            case "next":
                raise _Ended(_code(message["payload"]["errors"]))
            case "error":
                raise _Ended(_code(message["payload"]))
            case kind:
                raise _Ended(kind)

    def _note(self, event: dict[str, Any]) -> None:
        if event["gap"]:
            self.gaps.append(f"{self.name}: told of a gap after {self._cursor}")
        elif event["kind"] == "SNAPSHOT" and self._cursor is not None:
            self.gaps.append(f"{self.name}: a snapshot instead of what was missed after {self._cursor}")
        self._cursor = event["cursor"]
        if event["kind"] == "SNAPSHOT":
            self.opened.set()
        else:
            came = Event(event["task"]["id"], event["seq"], event["kind"])
            self.received.append(came)
            self._distinct.add(came)
            self._settle()

    def _settle(self) -> None:
        if self._expected is not None and len(self._distinct) >= self._expected:
            self.complete.set()


def _code(errors: list[dict[str, Any]]) -> str:
    return "error " + ",".join(str(error.get("extensions", {}).get("code", "?")) for error in errors)
