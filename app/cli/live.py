"""Streams of a running API that outlive its restarts: a lost socket is opened again where it left off."""

import math
import random
import time
from asyncio import sleep
from collections.abc import AsyncGenerator, Callable
from contextlib import aclosing
from typing import Any

from app.cli import documents
from app.cli.client import Client, Unreachable
from app.cli.console import err
from app.cli.states import ENDED

LOST = "The connection is lost; trying again …"
FOR_EVER = math.inf
PATIENCE_SECONDS = 60.0
_LONGEST_PAUSE_SECONDS = 5.0
_rng = random.SystemRandom()


def say_lost() -> None:
    err.print(LOST, style="yellow")


class Patience:
    """How long to go on without an answer, and how long to pause before the next try (with jitter)."""

    def __init__(self, seconds: float, on_lost: Callable[[], None]) -> None:
        self._seconds = seconds
        self._on_lost = on_lost
        self._connected = False
        self._lost_at: float | None = None
        self._tries = 0

    def answered(self) -> None:
        self._connected, self._lost_at, self._tries = True, None, 0

    async def pause(self, error: Unreachable) -> None:
        """Raises the error where nothing was ever reached, or for too long."""
        if self._lost_at is None:
            self._lost_at = time.monotonic()
            if self._connected:
                self._on_lost()
        if not self._connected or time.monotonic() - self._lost_at >= self._seconds:
            raise error
        self._tries += 1
        await sleep(min(_LONGEST_PAUSE_SECONDS, 0.25 * 2**self._tries) * _rng.uniform(0.5, 1))


async def events(
    client: Client, patience: Patience, *, task_id: str | None = None, after: str | None = None
) -> AsyncGenerator[dict[str, Any], None]:
    """The events of a task until its end, or of the workspace for ever. Raises Unreachable, or Refused."""
    while True:
        try:
            async with aclosing(client.subscribe(documents.WATCH, taskId=task_id, after=after)) as stream:
                async for data in stream:
                    patience.answered()
                    event = data["taskEvents"]
                    after = event["cursor"]
                    yield event
                    if task_id is not None and event["task"]["status"] in ENDED:
                        return
            # A stream that ends before its task does belongs to a process that is stopping.
            raise Unreachable(f"{client.address.url} ended the stream.")
        except Unreachable as error:
            await patience.pause(error)


async def output(client: Client, patience: Patience, task_id: str) -> AsyncGenerator[str, None]:
    """The text of a task's latest attempt so far, each time there is more of it, until the task has ended."""
    text = Transcript()
    while True:
        try:
            async with aclosing(client.subscribe(documents.OUTPUT, taskId=task_id)) as stream:
                async for data in stream:
                    patience.answered()
                    chunk = data["taskOutput"]
                    if chunk["done"]:
                        return
                    yield text.apply(chunk)
            raise Unreachable(f"{client.address.url} ended the stream.")
        except Unreachable as error:
            await patience.pause(error)


class Transcript:
    """Chunks put together by their offsets: the same chunk twice changes nothing."""

    def __init__(self) -> None:
        self._attempt = 0
        self._text = ""

    def apply(self, chunk: dict[str, Any]) -> str:
        """The whole text so far."""
        if chunk["reset"] or chunk["attempt"] != self._attempt:
            self._text = ""
        self._attempt = chunk["attempt"]
        self._text = self._text[: chunk["offset"]] + chunk["text"]
        return self._text
