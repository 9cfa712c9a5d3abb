"""What a request costs its caller: taken before it is executed, and what it did not need given back afterwards."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from app.errors import AppError, ErrorCode, LimitExceeded
from app.events.token_bucket import Bucket
from app.principal import Person, Principal
from app.services.limit.budget import Budgets
from app.services.limit.limiter import Limiter


@dataclass(frozen=True, slots=True)
class Status:
    """Of the bucket that has least left. Points; `restore_rate` is points a second, `full_in` seconds."""

    limit: int
    remaining: int
    restore_rate: float
    full_in: float


class Charge:
    """Of one request. `actual` is None as long as it is not known, and where nothing was executed."""

    def __init__(self, limiter: Limiter, buckets: tuple[Bucket, ...], requested: int, used: Sequence[int]) -> None:
        self.requested = requested
        self.actual: int | None = None
        self._limiter = limiter
        self._buckets = buckets
        self._used = tuple(used)
        self._status: Status | None = None

    def settle(self, spent: int) -> None:
        """Give back what was asked for and not used; a request costs 1 at least. Once: the second time does nothing."""
        if self.actual is not None:
            return
        self.actual = min(self.requested, max(1, spent))
        unused = self.requested - self.actual
        if unused:
            self._limiter.give_back(self._buckets, unused)
            levels = zip(self._buckets, self._used, strict=True)
            self._used = tuple(max(0, used - unused * bucket.window) for bucket, used in levels)
            self._status = None

    @property
    def status(self) -> Status:
        if self._status is None:
            levels = zip(self._buckets, self._used, strict=True)
            self._status = min((_status(bucket, used) for bucket, used in levels), key=_left)
        return self._status


class Throttled(AppError):
    """Too many points in too short a time. `retry_after` is in seconds; nothing was taken or executed."""

    code = ErrorCode.LIMIT_EXCEEDED

    def __init__(self, charge: Charge, retry_after: int) -> None:
        self.charge = charge
        self.cost = charge.requested
        self.limit = charge.status.limit
        self.retry_after = retry_after
        left = charge.status.remaining
        super().__init__(f"Points needed: {self.cost}; left: {left} of {self.limit}. Try again in {retry_after} s.")


class LargerThanBucket(LimitExceeded):
    """It costs more than there ever is, so that waiting does not help."""

    def __init__(self, charge: Charge) -> None:
        self.charge = charge
        limit, cost = charge.status.limit, charge.requested
        super().__init__(
            f"Points needed: {cost}; there are never more than {limit}. Waiting does not help: ask for fewer rows "
            "(first), or less of each.",
            limit=limit,
            actual=cost,
        )


class Throttle:
    """One a process."""

    def __init__(self, limiter: Limiter, budgets: Budgets) -> None:
        self._limiter = limiter
        self._budgets = budgets

    async def charge(self, caller: Principal | Person | None, address: str | None, points: int) -> Charge | None:
        """None where there is no limit. Raises Throttled or LargerThanBucket, and then nothing was taken."""
        buckets = self._budgets.of(caller, address)
        if not buckets:
            return None
        smallest = min(buckets, key=_capacity)
        if points > smallest.capacity:
            raise LargerThanBucket(Charge(self._limiter, (smallest,), points, (0,)))
        taken = await self._limiter.take(buckets, points)
        charge = Charge(self._limiter, buckets, points, taken.used)
        if taken.wait:
            raise Throttled(charge, math.ceil(taken.wait / 1000))
        return charge


def _status(bucket: Bucket, used: int) -> Status:
    remaining = max(0, bucket.capacity * bucket.window - used) // bucket.window
    return Status(
        limit=bucket.capacity,
        remaining=remaining,
        restore_rate=bucket.capacity * 1000 / bucket.window,
        full_in=used / bucket.capacity / 1000,
    )


def _left(status: Status) -> int:
    return status.remaining


def _capacity(bucket: Bucket) -> int:
    return bucket.capacity
