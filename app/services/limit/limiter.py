"""Taking points from buckets: from Redis', which all processes share, or from this process' own while Redis is away."""

import time

from app.events.shared_buckets import BucketsUnavailable, SharedBuckets
from app.events.token_bucket import Bucket, LocalBuckets, Taken


class Limiter:
    """One a process. During an outage each process counts by itself, from full buckets: a caller then gets at most as
    many times what is theirs as there are processes, and never nothing."""

    def __init__(self, shared: SharedBuckets) -> None:
        self._shared = shared
        self._local = LocalBuckets()

    async def take(self, buckets: tuple[Bucket, ...], points: int) -> Taken:
        """From each bucket, or from none. `points` is no more than any of them holds. Takes 50 ms at most."""
        try:
            return await self._shared.take(buckets, points)
        except BucketsUnavailable:
            return self._local.take(buckets, points, _now())

    def give_back(self, buckets: tuple[Bucket, ...], points: int) -> None:
        if self._shared.available:
            self._shared.give_back(buckets, points)
        else:
            self._local.take(buckets, -points, _now())


def _now() -> int:
    return time.monotonic_ns() // 1_000_000
