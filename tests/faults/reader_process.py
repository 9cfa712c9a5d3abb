"""Subscribers in a process of their own, so that what they cost delays neither the test nor its measurement.

`python -m tests.faults.reader_process`, a JSON line on standard input: {"url", "token", "readers", "events"}. It
prints a line when all are subscribed, and at the end one with JSON: {"tasks": [how many different ones each reader
saw], "events": [how many it received], "p95": [of each second of the writer's, from an event's `at` to its receipt]}.
"""

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import orjson
import websockets

from tests.faults.live_socket import subscribe

READY_SECONDS = 30.0


@dataclass(slots=True)
class Readers:
    """The process, as the test sees it."""

    process: asyncio.subprocess.Process

    async def figures(self, seconds: float) -> dict[str, Any]:
        """When every reader has everything. Raises TimeoutError."""
        return dict(json.loads(await _line(self.process, seconds)))


@asynccontextmanager
async def reading(url: str, token: str, readers: int, events: int) -> AsyncIterator[Readers]:
    """All are subscribed when this is entered."""
    process = await asyncio.create_subprocess_exec(
        sys.executable,
        "-m",
        __name__,
        cwd=Path(__file__).parents[2],
        stdin=asyncio.subprocess.PIPE,
        stdout=asyncio.subprocess.PIPE,
    )
    try:
        assert process.stdin is not None
        order = {"url": url, "token": token, "readers": readers, "events": events}
        process.stdin.write(json.dumps(order).encode() + b"\n")
        assert await _line(process, READY_SECONDS) == b"ready\n"
        yield Readers(process)
    finally:
        if process.returncode is None:
            process.kill()
        await process.communicate()


async def _line(process: asyncio.subprocess.Process, seconds: float) -> bytes:
    assert process.stdout is not None
    async with asyncio.timeout(seconds):
        return await process.stdout.readline()


async def _read(order: dict[str, Any]) -> None:
    sockets = [await subscribe(order["url"], order["token"]) for _ in range(order["readers"])]
    for socket in sockets:
        await socket.recv()
    print("ready", flush=True)
    seen = await asyncio.gather(*(_receive(socket, order["events"]) for socket in sockets))
    seconds: dict[int, list[float]] = {}
    for events in seen:
        for _, at, delay in events:
            seconds.setdefault(int(at), []).append(delay)
    figures = {
        "tasks": [len({task for task, *_ in events}) for events in seen],
        "events": [len(events) for events in seen],
        "p95": [sorted(delays)[int(len(delays) * 0.95)] for _, delays in sorted(seconds.items())],
    }
    print(json.dumps(figures), flush=True)


async def _receive(socket: websockets.ClientConnection, count: int) -> list[tuple[str, float, float]]:
    """Task, time and delay of so many events."""
    received: list[tuple[str, float, float]] = []
    while len(received) < count:
        text = await socket.recv(decode=False)
        now = time.time()
        event = orjson.loads(text)["payload"]["data"]["taskEvents"]
        at = datetime.fromisoformat(event["at"]).timestamp()
        received.append((event["task"]["id"], at, now - at))
    return received


if __name__ == "__main__":
    asyncio.run(_read(json.loads(sys.stdin.readline())))
