"""A subscriber as a partner would write one: it resumes after its last event wherever it is let in."""

import asyncio
import json
from collections import Counter
from collections.abc import AsyncIterator, Callable, Sequence
from contextlib import asynccontextmanager
from typing import Any

import websockets

from tests.faults.records import Logged
from tests.faults.waiting import until

CONNECT_SECONDS = 5.0
PAUSE_SECONDS = 0.1
WATCH = """subscription($taskId: ID, $after: String) {
  taskEvents(taskId: $taskId, after: $after) { cursor seq kind gap task { id } } }"""
_PROTOCOL = websockets.Subprotocol("graphql-transport-ws")
# The service's when it is told to stop, and websockets' for a connection that broke.
GOING_AWAY, BROKEN = 1012, 1006


class Watcher:
    """`received` is all that came after the opening event, whose `seq` is `opening`.

    `closes` counts how its connections ended, by close code.
    """

    def __init__(self, addresses: Callable[[], list[str]], token: str, task: str | None = None, first: int = 0) -> None:
        self.received: list[Logged] = []
        self.closes: Counter[int] = Counter()
        self.opening = 0
        self.is_open = asyncio.Event()
        self.is_complete = asyncio.Event()
        self._addresses = addresses
        self._token = token
        self._task = task
        self._turn = first
        self._cursor: str | None = None

    async def run(self) -> None:
        """Until cancelled, or the subscription is complete."""
        while True:
            if addresses := self._addresses():
                try:
                    await self._watch(addresses[self._turn % len(addresses)])
                    self.is_complete.set()
                    return
                except websockets.ConnectionClosed as closed:
                    self.closes[closed.rcvd.code if closed.rcvd else BROKEN] += 1
                except (OSError, TimeoutError, websockets.InvalidHandshake):
                    # Nobody is there at the moment.
                    pass
                self._turn += 1
            await asyncio.sleep(PAUSE_SECONDS)

    async def _watch(self, url: str) -> None:
        """Until it is complete."""
        async with websockets.connect(
            url.replace("http", "ws", 1) + "/graphql",
            subprotocols=[_PROTOCOL],
            open_timeout=CONNECT_SECONDS,
            proxy=None,
        ) as socket:
            payload = {"authorization": f"Bearer {self._token}"}
            await socket.send(json.dumps({"type": "connection_init", "payload": payload}))
            assert json.loads(await socket.recv())["type"] == "connection_ack"
            variables = {"taskId": self._task, "after": self._cursor}
            subscribe = {"id": "1", "type": "subscribe", "payload": {"query": WATCH, "variables": variables}}
            await socket.send(json.dumps(subscribe))
            while (message := json.loads(await socket.recv()))["type"] != "complete":
                self._note(message)

    def _note(self, message: dict[str, Any]) -> None:
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        event = message["payload"]["data"]["taskEvents"]
        if event["kind"] == "SNAPSHOT":
            assert self._cursor is None, "a snapshot in place of what was missed"
            self.opening = event["seq"]
            self.is_open.set()
        else:
            self.received.append(Logged(event["task"]["id"], event["seq"], event["kind"]))
        self._cursor = event["cursor"]


@asynccontextmanager
async def watching(watchers: Sequence[Watcher]) -> AsyncIterator[None]:
    """They watch when this is entered, and until it is left. What goes wrong with one fails the test."""
    async with asyncio.TaskGroup() as group:
        running = [group.create_task(watcher.run()) for watcher in watchers]
        await asyncio.gather(*(watcher.is_open.wait() for watcher in watchers))
        yield
        for task in running:
            task.cancel()


async def all_received(watchers: Sequence[Watcher], events: int) -> None:
    """Wait until each of them has so many."""

    async def have() -> bool:
        return all(len(watcher.received) >= events for watcher in watchers)

    await until(have, f"{events} events for each watcher")
