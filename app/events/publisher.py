"""Sending wakes: many in one pipeline, never late, never an error for whoever sends."""

import asyncio
import math
from collections.abc import Iterable

from redis.asyncio import Redis

from app.events.outage import Outage

PUBLISH_SECONDS = 0.5


class _Batch:
    """Channels that will travel together; `sent` tells whether Redis took them."""

    def __init__(self) -> None:
        self.channels: set[str] = set()
        self.sent: asyncio.Future[bool] = asyncio.get_running_loop().create_future()


class Publisher:
    """Wakes published while a pipeline is on its way form the next one, each channel once.

    So one connection and O(channels) memory are enough for any number of publishers.
    """

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._outage = Outage("redis publish")
        self._quiet_until = 0.0
        self._next: _Batch | None = None
        self._sender: asyncio.Task[None] | None = None

    async def publish(self, channels: Iterable[str]) -> bool:
        """Wake these channels. False when Redis did not take it within 0.5 s: a lost wake."""
        if self._is_quiet():
            return False
        batch = self._next = self._next or _Batch()
        batch.channels.update(channels)
        if self._sender is None or self._sender.done():
            self._sender = asyncio.create_task(self._send_batches(), name="redis publish")
        return await asyncio.shield(batch.sent)

    def resume(self) -> None:
        """Redis is known to be back: do not sit out the pause after the last failure."""
        self._quiet_until = 0.0

    async def stop(self) -> None:
        self._quiet_until = math.inf
        if self._sender is not None:
            await asyncio.wait([self._sender])
        await self._redis.aclose()

    async def _send_batches(self) -> None:
        while self._next is not None:
            batch, self._next = self._next, None
            batch.sent.set_result(not self._is_quiet() and await self._send(batch.channels))

    def _is_quiet(self) -> bool:
        return asyncio.get_running_loop().time() < self._quiet_until

    async def _send(self, channels: set[str]) -> bool:
        try:
            async with asyncio.timeout(PUBLISH_SECONDS), self._redis.pipeline(transaction=False) as pipeline:
                for channel in channels:
                    pipeline.publish(channel, "")
                await pipeline.execute()
        except Exception as error:
            # The boundary of the sending task: callers wait for its answer, and a lost wake is never their
            # error. Nobody waits for a Redis that does not answer more often than this allows.
            self._quiet_until = asyncio.get_running_loop().time() + self._outage.failed(error)
            return False
        self._outage.recovered()
        return True
