"""A client of the service as a partner would write one: HTTP for queries, graphql-transport-ws for subscriptions."""

import asyncio
import itertools
import json
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import httpx
import websockets

RECEIVE_SECONDS = 15.0


class Gql:
    """Calling it gives `data`; errors fail the test. `raw` gives the whole HTTP response."""

    def __init__(self, http: httpx.AsyncClient, url: str, token: str | None) -> None:
        self._http = http
        self._url = f"{url}/graphql"
        self._headers = {"Authorization": f"Bearer {token}"} if token else {}

    async def raw(self, query: str, headers: dict[str, str] | None = None, **variables: Any) -> httpx.Response:
        body = {"query": query, "variables": variables}
        return await self._http.post(self._url, json=body, headers=self._headers | (headers or {}))

    async def __call__(self, query: str, **variables: Any) -> dict[str, Any]:
        answer = (await self.raw(query, **variables)).json()
        assert "errors" not in answer, answer["errors"]
        data: dict[str, Any] = answer["data"]
        return data

    async def errors(self, query: str, **variables: Any) -> list[dict[str, Any]]:
        """The top-level errors; there must be some."""
        errors: list[dict[str, Any]] = (await self.raw(query, **variables)).json()["errors"]
        assert errors
        return errors


class Socket:
    """An acknowledged graphql-transport-ws connection."""

    def __init__(self, connection: websockets.ClientConnection) -> None:
        self.connection = connection
        self._ids = itertools.count(1)
        self._queues: dict[str, asyncio.Queue[dict[str, Any]]] = {}
        self._reader = asyncio.create_task(self._read())

    async def subscribe(self, query: str, **variables: Any) -> "Stream":
        return await self.request({"query": query, "variables": variables})

    async def request(self, payload: dict[str, Any]) -> "Stream":
        """An operation as GraphQL over HTTP has it."""
        number = str(next(self._ids))
        self._queues[number] = asyncio.Queue()
        message = {"id": number, "type": "subscribe", "payload": payload}
        await self.connection.send(json.dumps(message))
        return Stream(self, number, self._queues[number])

    async def _read(self) -> None:
        async for text in self.connection:
            message = json.loads(text)
            if (number := message.get("id")) in self._queues:
                self._queues[number].put_nowait(message)

    async def close(self) -> None:
        self._reader.cancel()
        await asyncio.gather(self._reader, return_exceptions=True)


class Stream:
    """One subscription. Iterating gives each event's only field; it ends with `complete`."""

    def __init__(self, socket: Socket, number: str, queue: asyncio.Queue[dict[str, Any]]) -> None:
        self._socket = socket
        self._number = number
        self._queue = queue

    async def message(self, seconds: float = RECEIVE_SECONDS) -> dict[str, Any]:
        async with asyncio.timeout(seconds):
            return await self._queue.get()

    async def next(self) -> dict[str, Any]:
        message = await self.message()
        assert message["type"] == "next", message
        assert "errors" not in message["payload"], message
        (value,) = message["payload"]["data"].values()
        result: dict[str, Any] = value
        return result

    async def stop(self) -> None:
        await self._socket.connection.send(json.dumps({"id": self._number, "type": "complete"}))

    async def rest(self, seconds: float = RECEIVE_SECONDS) -> list[dict[str, Any]]:
        """Everything until `complete`; `seconds` is the longest pause between two."""
        events = []
        while (message := await self.message(seconds))["type"] != "complete":
            assert message["type"] == "next", message
            (value,) = message["payload"]["data"].values()
            events.append(value)
        return events


@asynccontextmanager
async def connect(url: str, payload: dict[str, Any]) -> AsyncIterator[Socket]:
    address = url.replace("http", "ws", 1) + "/graphql"
    async with websockets.connect(address, subprotocols=[websockets.Subprotocol("graphql-transport-ws")]) as connection:
        await connection.send(json.dumps({"type": "connection_init", "payload": payload}))
        assert json.loads(await connection.recv())["type"] == "connection_ack"
        opened = Socket(connection)
        try:
            yield opened
        finally:
            await opened.close()
