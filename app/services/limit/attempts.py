"""How often one address may sign up, sign in and refresh, whether or not it works.

Beside the lock-out (app/services/account/lockout.py), which counts sign-ins that failed, in PostgreSQL, by login as
well. This bounds what each address makes the service do: accounts made, passwords hashed.
"""

from datetime import timedelta
from enum import StrEnum
from math import ceil

from app import clock
from app.errors import LimitExceeded
from app.events.token_bucket import Bucket
from app.services.limit.budget import address_key
from app.services.limit.limiter import Limiter
from app.settings import Settings

_MINUTE, _HOUR = 60_000, 3_600_000


class Attempt(StrEnum):
    SIGN_UP = "sign-up"
    SIGN_IN = "sign-in"
    REFRESH = "refresh"


class TooManyAttempts(LimitExceeded):
    """From one address in too short a time. Nothing was looked at. `retry_after` is in seconds."""

    def __init__(self, attempt: Attempt, limit: int, wait: timedelta) -> None:
        self.retry_at = clock.now() + wait
        self.retry_after = ceil(wait.total_seconds())
        when = self.retry_at.isoformat(timespec="seconds")
        super().__init__(
            f"Too many requests of this kind ({attempt}) from your address. Try again at {when}.",
            limit=limit,
            actual=limit + 1,
        )


class Attempts:
    """One a process. A limit of 0 means none."""

    def __init__(self, limiter: Limiter, settings: Settings) -> None:
        self._limiter = limiter
        self._limits = {
            Attempt.SIGN_UP: (settings.bizq_sign_ups_per_hour, _HOUR),
            Attempt.SIGN_IN: (settings.bizq_sign_ins_per_minute, _MINUTE),
            Attempt.REFRESH: (settings.bizq_refreshes_per_minute, _MINUTE),
        }

    async def count(self, attempt: Attempt, address: str | None) -> None:
        """Raises TooManyAttempts."""
        limit, window = self._limits[attempt]
        if limit == 0:
            return
        bucket = Bucket(f"bizq:rate:{{{address_key(address)}}}:{attempt}", limit, window)
        taken = await self._limiter.take((bucket,), 1)
        if taken.wait:
            raise TooManyAttempts(attempt, limit, timedelta(milliseconds=taken.wait))
