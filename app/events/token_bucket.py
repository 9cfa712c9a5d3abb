"""Token buckets: so many points, which come back evenly. The same arithmetic twice, as Lua for Redis and as Python.

A bucket of `capacity` points fills from empty in `window` milliseconds. Its state is what has been used and when that
was right. Used points are counted in 1/window of a point: in a millisecond exactly `capacity` of these come back, so
that everything is a whole number, and exact (below 2^53 also in Lua, whose numbers are doubles). A full bucket has no
state: its key has expired.

Algorithm: the leaky bucket as a meter (ITU-T I.371, generic cell rate algorithm).
"""

from collections import OrderedDict
from collections.abc import Sequence
from dataclasses import dataclass
from hashlib import sha1

LOCAL_BUCKETS = 10_000


@dataclass(frozen=True, slots=True)
class Bucket:
    """`window` is in milliseconds. Keys that are taken from together share a hash tag: {…} says the cluster's slot."""

    key: str
    capacity: int
    window: int


@dataclass(frozen=True, slots=True)
class Taken:
    """`wait` is 0 where the points were taken, from all buckets; else none was, and there are enough after so many
    milliseconds. `used` is the state of each bucket afterwards, in 1/window of a point."""

    wait: int
    used: tuple[int, ...]


# Time is Redis' own: callers' clocks differ. Points may be negative, which gives them back.
REDIS_CLOCK = """
local clock = redis.call('TIME')
local now = clock[1] * 1000 + math.floor(clock[2] / 1000)
"""
TAKE = """
local points, wait, used = tonumber(ARGV[1]), 0, {}
for i, key in ipairs(KEYS) do
    local capacity, window = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
    local level, since = string.match(redis.call('GET', key) or '', '^(%d+) (%d+)$')
    used[i] = level and math.max(0, level - math.max(0, now - since) * capacity) or 0
    local over = used[i] + points * window - capacity * window
    if points > 0 and over > 0 then
        wait = math.max(wait, math.ceil(over / capacity))
    end
end
if wait == 0 then
    for i, key in ipairs(KEYS) do
        local capacity, window = tonumber(ARGV[2 * i]), tonumber(ARGV[2 * i + 1])
        used[i] = math.max(0, used[i] + points * window)
        if used[i] > 0 then
            redis.call('SET', key, string.format('%.0f %.0f', used[i], now), 'PX', math.ceil(used[i] / capacity))
        else
            redis.call('DEL', key)
        end
    end
end
return {wait, unpack(used)}
"""
SCRIPT = REDIS_CLOCK + TAKE
# What EVALSHA calls it by.
SCRIPT_HASH = sha1(SCRIPT.encode(), usedforsecurity=False).hexdigest()


class LocalBuckets:
    """The buckets of one process, for as long as Redis is away. Who has not called for longest is forgotten first."""

    def __init__(self, most: int = LOCAL_BUCKETS) -> None:
        self._most = most
        self._states: OrderedDict[str, tuple[int, int]] = OrderedDict()

    def take(self, buckets: Sequence[Bucket], points: int, now: int) -> Taken:
        """`now` is in milliseconds of any clock that does not go back."""
        used = [self._used(bucket, now) for bucket in buckets]
        wait = 0
        for bucket, level in zip(buckets, used, strict=True):
            over = level + points * bucket.window - bucket.capacity * bucket.window
            if points > 0 and over > 0:
                wait = max(wait, -(-over // bucket.capacity))
        if wait == 0:
            for number, bucket in enumerate(buckets):
                used[number] = max(0, used[number] + points * bucket.window)
                self._keep(bucket.key, (used[number], now))
        return Taken(wait, tuple(used))

    def _used(self, bucket: Bucket, now: int) -> int:
        level, since = self._states.get(bucket.key, (0, now))
        if level:
            self._states.move_to_end(bucket.key)
        return max(0, level - max(0, now - since) * bucket.capacity)

    def _keep(self, key: str, state: tuple[int, int]) -> None:
        self._states[key] = state
        self._states.move_to_end(key)
        if len(self._states) > self._most:
            self._states.popitem(last=False)
