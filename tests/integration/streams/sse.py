"""Server-sent events as a client reads them: github.com/enisdenjo/graphql-sse, distinct connections mode."""

import json
from collections.abc import AsyncGenerator, AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx


@dataclass
class ServerSent:
    """One event; `data` is None where it is empty."""

    event: str
    id: str | None
    data: dict[str, Any] | None

    @property
    def value(self) -> dict[str, Any]:
        """The root field's value of a result without errors."""
        assert self.event == "next"
        assert self.data is not None
        assert "errors" not in self.data, self.data
        (value,) = self.data["data"].values()
        result: dict[str, Any] = value
        return result


@asynccontextmanager
async def stream(
    http: httpx.AsyncClient, url: str, key: str | None, query: str, *, last_id: str | None = None, **variables: Any
) -> AsyncIterator[AsyncGenerator[ServerSent, None]]:
    """The events of an operation, sent as POST."""
    headers = {"Accept": "text/event-stream"}
    headers |= {"Authorization": f"Bearer {key}"} if key is not None else {}
    headers |= {"Last-Event-ID": last_id} if last_id is not None else {}
    body = {"query": query, "variables": variables}
    async with http.stream("POST", f"{url}/graphql/stream", json=body, headers=headers) as response:
        assert response.status_code == 200, (await response.aread()).decode()
        assert response.headers["content-type"] == "text/event-stream; charset=utf-8"
        events = read(response)
        try:
            yield events
        finally:
            await events.aclose()


async def read(response: httpx.Response) -> AsyncGenerator[ServerSent, None]:
    """Comments are passed over; the generator ends with the answer."""
    fields: dict[str, str] = {}
    async for line in response.aiter_lines():
        if line.startswith(":"):
            continue
        if line:
            name, _, value = line.partition(":")
            fields[name] = value.removeprefix(" ")
        elif fields:
            data = json.loads(fields["data"]) if fields.get("data") else None
            yield ServerSent(fields["event"], fields.get("id"), data)
            fields = {}
