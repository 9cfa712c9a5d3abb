"""What the processes tell each other about open circuits: one hash in Redis, by name, and a key for whoever may probe.

Redis may lose it: then a circuit is closed that was open, and a few calls find out again.
"""

import asyncio
from collections.abc import Mapping
from typing import cast

from redis.asyncio import Redis
from redis.exceptions import RedisError

TIMEOUT_SECONDS = 0.5
KEEP_SECONDS = 3600
CIRCUITS_CHANNEL = "bizq:circuits"
_KEY = "bizq:circuits"


class CircuitsUnavailable(Exception):
    """Redis did not answer in time."""


class SharedCircuits:
    """Raises CircuitsUnavailable within 0.5 s, whatever is asked."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis

    async def read(self) -> Mapping[str, bytes]:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                # redis-py's annotation is also that of its synchronous client.
                found = await cast("asyncio.Future[dict[bytes, bytes]]", self._redis.hgetall(_KEY))
        except (RedisError, OSError) as error:
            raise CircuitsUnavailable from error
        return {name.decode(): state for name, state in found.items()}

    async def write(self, name: str, state: bytes) -> None:
        """And free its probe."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS), self._redis.pipeline(transaction=False) as pipeline:
                pipeline.hset(_KEY, name, state)
                pipeline.expire(_KEY, KEEP_SECONDS)
                pipeline.delete(_probe(name))
                pipeline.publish(CIRCUITS_CHANNEL, "")
                await pipeline.execute()
        except (RedisError, OSError) as error:
            raise CircuitsUnavailable from error

    async def remove(self, name: str) -> None:
        """And free its probe."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS), self._redis.pipeline(transaction=False) as pipeline:
                pipeline.hdel(_KEY, name)
                pipeline.delete(_probe(name))
                pipeline.publish(CIRCUITS_CHANNEL, "")
                await pipeline.execute()
        except (RedisError, OSError) as error:
            raise CircuitsUnavailable from error

    async def take_probe(self, name: str, seconds: float) -> bool:
        """Whether the caller is the one who may try, for so long unless it is freed before."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                return bool(await self._redis.set(_probe(name), "", nx=True, px=round(seconds * 1000)))
        except (RedisError, OSError) as error:
            raise CircuitsUnavailable from error

    async def free_probe(self, name: str) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._redis.delete(_probe(name))
        except (RedisError, OSError) as error:
            raise CircuitsUnavailable from error


def _probe(name: str) -> str:
    return f"bizq:probe:{name}"
