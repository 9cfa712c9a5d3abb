"""How much a provider is asked at once and in a minute, where the operator has set a ceiling for it."""

import asyncio
import time
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress

from app.events.call_slots import RENEW_SECONDS, CallSlots, SlotsUnavailable
from app.events.token_bucket import Bucket, LocalBuckets
from app.providers.errors import ProviderError

# Who finds no room waits for it, holding their own place among the worker's tasks; then another model is asked, or the
# task comes again later.
PATIENCE_SECONDS = 3.0
LOOK_SECONDS = 0.1
COME_AGAIN_SECONDS = 2.0
# So much of a minute's calls may come at once: in no minute are there more than 1.1 times as many as the ceiling.
BURST_SHARE = 10
MINUTE_MILLISECONDS = 60_000


class Ceilings:
    """`at_once` and `per_minute` are calls, by provider; one that is not named has none.

    The count is that of all processes. While Redis is away each process counts by itself.
    """

    def __init__(self, slots: CallSlots, at_once: Mapping[str, int], per_minute: Mapping[str, int]) -> None:
        self.at_once = at_once
        self.per_minute = per_minute
        self._slots = slots
        self._here = {name: asyncio.Semaphore(most) for name, most in at_once.items()}
        self._buckets = {name: _bucket(name, most) for name, most in per_minute.items()}
        self._local = LocalBuckets()
        self._held: defaultdict[str, set[str]] = defaultdict(set)
        self._renewing: asyncio.Task[None] | None = None

    async def stop(self) -> None:
        if self._renewing is not None:
            self._renewing.cancel()
            await asyncio.wait([self._renewing])

    async def under_way(self, provider: str) -> int | None:
        """How many calls there are at present; None where that is not known."""
        with suppress(SlotsUnavailable):
            return await self._slots.taken(provider)
        return None

    @asynccontextmanager
    async def room(self, provider: str) -> AsyncIterator[None]:
        """Around a call. Raises ProviderError `at_ceiling` instead, where there is no room within 3 s."""
        if provider not in self.at_once and provider not in self.per_minute:
            yield
            return
        deadline = time.monotonic() + PATIENCE_SECONDS
        async with self._place(provider, deadline):
            await self._turn(provider, deadline)
            yield

    @asynccontextmanager
    async def _place(self, provider: str, deadline: float) -> AsyncIterator[None]:
        here = self._here.get(provider)
        if here is None:
            yield
            return
        # Those of this process stand in line; only the first of them look for a slot among all.
        try:
            async with asyncio.timeout(deadline - time.monotonic()):
                await here.acquire()
        except TimeoutError:
            raise _full(provider) from None
        try:
            slot = await self._slot(provider, deadline)
            try:
                yield
            finally:
                if slot is not None:
                    self._held[provider].discard(slot)
                    await self._slots.give(provider, slot)
        finally:
            here.release()

    async def _slot(self, provider: str, deadline: float) -> str | None:
        """None where nobody knows what the other processes do."""
        while True:
            try:
                slot = await self._slots.take(provider, self.at_once[provider])
            except SlotsUnavailable:
                return None
            if slot is not None:
                self._held[provider].add(slot)
                if self._renewing is None:
                    self._renewing = asyncio.create_task(self._renew(), name="renew call slots")
                return slot
            await _wait(provider, LOOK_SECONDS, deadline)

    async def _turn(self, provider: str, deadline: float) -> None:
        bucket = self._buckets.get(provider)
        while bucket is not None:
            try:
                milliseconds = await self._slots.spend(bucket)
            except SlotsUnavailable:
                milliseconds = self._local.take((bucket,), 1, round(time.monotonic() * 1000)).wait
            if not milliseconds:
                return
            await _wait(provider, milliseconds / 1000, deadline)

    async def _renew(self) -> None:
        while True:
            await asyncio.sleep(RENEW_SECONDS)
            for provider, slots in self._held.items():
                if slots:
                    with suppress(SlotsUnavailable):
                        await self._slots.renew(provider, set(slots))


async def _wait(provider: str, seconds: float, deadline: float) -> None:
    if time.monotonic() + seconds > deadline:
        raise _full(provider, seconds)
    await asyncio.sleep(seconds)


def _full(provider: str, seconds: float = 0.0) -> ProviderError:
    return ProviderError(provider, "at_ceiling", retryable=True, retry_after=max(COME_AGAIN_SECONDS, seconds))


def _bucket(provider: str, per_minute: int) -> Bucket:
    capacity = max(1, per_minute // BURST_SHARE)
    return Bucket(f"bizq:rate:{provider}", capacity, MINUTE_MILLISECONDS * capacity // per_minute)
