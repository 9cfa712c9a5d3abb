"""How many calls are under way and may begin, over all processes: a sorted set and a token bucket for each name.

A slot is a member whose score is when it ends if nobody renews it, so what a killed process held comes free by itself.
"""

import asyncio
import uuid
from collections.abc import Mapping

from redis.asyncio import Redis
from redis.exceptions import RedisError

from app.events import token_bucket
from app.events.token_bucket import Bucket

TIMEOUT_SECONDS = 0.5
SLOT_SECONDS = 30.0
RENEW_SECONDS = 10.0
_TAKE = (
    token_bucket.REDIS_CLOCK
    + """
redis.call('ZREMRANGEBYSCORE', KEYS[1], '-inf', now)
if redis.call('ZCARD', KEYS[1]) >= tonumber(ARGV[2]) then
    return 0
end
redis.call('ZADD', KEYS[1], now + ARGV[3], ARGV[1])
redis.call('PEXPIRE', KEYS[1], ARGV[3])
return 1
"""
)
_RENEW = (
    token_bucket.REDIS_CLOCK
    + """
for i = 2, #ARGV do
    redis.call('ZADD', KEYS[1], 'XX', now + ARGV[1], ARGV[i])
end
return redis.call('PEXPIRE', KEYS[1], ARGV[1])
"""
)


class SlotsUnavailable(Exception):
    """Redis did not answer in time."""


class CallSlots:
    """Every method raises SlotsUnavailable within 0.5 s, except `give`, whose slot comes free later then."""

    def __init__(self, redis: Redis) -> None:
        self._redis = redis
        self._take = redis.register_script(_TAKE)
        self._renew = redis.register_script(_RENEW)
        self._bucket = redis.register_script(token_bucket.SCRIPT)

    async def take(self, name: str, most: int) -> str | None:
        """A slot, to be given back; None where `most` are taken."""
        slot = uuid.uuid4().hex
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                taken = await self._take([_key(name)], [slot, most, round(SLOT_SECONDS * 1000)])
        except (RedisError, OSError) as error:
            raise SlotsUnavailable from error
        return slot if taken else None

    async def renew(self, name: str, slots: Mapping[str, None] | set[str]) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._renew([_key(name)], [round(SLOT_SECONDS * 1000), *slots])
        except (RedisError, OSError) as error:
            raise SlotsUnavailable from error

    async def give(self, name: str, slot: str) -> None:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                await self._redis.zrem(_key(name), slot)
        except (RedisError, OSError):
            # It ends by itself.
            return

    async def taken(self, name: str) -> int:
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                seconds, microseconds = await self._redis.time()
                now = seconds * 1000 + microseconds // 1000
                return int(await self._redis.zcount(_key(name), f"({now}", "+inf"))
        except (RedisError, OSError) as error:
            raise SlotsUnavailable from error

    async def spend(self, bucket: Bucket) -> int:
        """One point of it. 0, or how many milliseconds it takes until there is one."""
        try:
            async with asyncio.timeout(TIMEOUT_SECONDS):
                wait, _ = await self._bucket([bucket.key], [1, bucket.capacity, bucket.window])
        except (RedisError, OSError) as error:
            raise SlotsUnavailable from error
        return int(wait)


def _key(name: str) -> str:
    return f"bizq:calls:{name}"
