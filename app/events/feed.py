"""The tail of the event log, read once for all subscribers of the process."""

import asyncio
import contextlib
import math
from collections import defaultdict, deque
from collections.abc import AsyncIterator, Awaitable, Callable, Hashable, Mapping, Sequence
from contextlib import asynccontextmanager
from itertools import zip_longest
from typing import Generic, TypeAlias, TypeVar

from app.events.hub import Hub
from app.events.outage import Outage
from app.events.subscription import E, FeedStopped, Position, Subscription

K = TypeVar("K", bound=Hashable)

# The rows after each key's position, in order, at most so many for each key. That many mean: ask again.
ReadLog: TypeAlias = Callable[[Mapping[K, Position], int], Awaitable[Sequence[E]]]
# The position of the last row a ReadLog could return now (of an empty log: one below every position).
ReadHead: TypeAlias = Callable[[K], Awaitable[Position]]

# A row can stay hidden for a moment after its wake, behind an older transaction that is still running. So a
# key is read again this many seconds after a wake, then after twice as long, and so on up to the poll
# interval.
SETTLE_SECONDS = 0.025
# Reads of a busy log follow each other no faster than this: one read serves all wakes of the time between.
BREATH_SECONDS = 0.005
READ_SECONDS = 10.0
# How many may read the log for themselves at a time: all clients resume together, the pool is for requests
# too.
CATCHING_UP = 4
CATCH_UP_PAGE = 128
# What was handed out last stays at hand for who falls behind, until its key has been quiet for a while.
RECENT = 1024
# Handed out at once; so a quick subscriber's queue survives a page that is longer than the queue.
SLICE = 64


class _Tail(Generic[K, E]):
    """What the feed knows of one key that has subscribers. Times are those of the event loop, in seconds."""

    def __init__(self, key: K) -> None:
        self.key = key
        self.position: Position = ()
        self.subscriptions: set[Subscription[E]] = set()
        self.recent: deque[E] = deque(maxlen=RECENT)
        self.due = math.inf
        self.pause = SETTLE_SECONDS
        self.opening: asyncio.Task[None] | None = None
        self.unwatch: Callable[[], None] | None = None

    @property
    def is_open(self) -> bool:
        return self.due < math.inf

    def wake(self) -> None:
        if self.is_open:
            self.due = 0.0
        self.pause = SETTLE_SECONDS

    def schedule(self, now: float, poll_interval: float) -> None:
        self.due = now + self.pause
        if self.pause >= poll_interval:
            self.recent.clear()
        self.pause = min(2 * self.pause, poll_interval)

    def hand_out(self, entries: Sequence[E]) -> None:
        self.position = entries[-1].position
        self.recent.extend(entries)
        for subscription in self.subscriptions:
            subscription.offer(entries)


class Feed(Generic[K, E]):
    """One per process. Subscribers of a key share one position, one Redis channel and every read.

    Wakes make it quick, reading again every `poll_interval` seconds makes it right: what Redis loses costs
    time, not entries. `page` is how many rows of a key are read at most at once; `queue_size` bounds each
    subscription.
    """

    def __init__(
        self,
        hub: Hub,
        read_log: ReadLog[K, E],
        read_head: ReadHead[K],
        *,
        channel_of: Callable[[K], str],
        poll_interval: float = 1.0,
        page: int = 500,
        queue_size: int = 256,
    ) -> None:
        self._hub = hub
        self._read_log = read_log
        self._read_head = read_head
        self._channel_of = channel_of
        self._poll_interval = poll_interval
        self.page = page
        self.queue_size = queue_size
        self._tails: dict[K, _Tail[K, E]] = {}
        self._news = asyncio.Event()
        self._reader: asyncio.Task[None] | None = None
        self._outage = Outage("event log")
        self._catching_up = asyncio.Semaphore(CATCHING_UP)
        self._stopped = False

    @property
    def keys(self) -> frozenset[K]:
        """What somebody in this process subscribes to."""
        return frozenset(self._tails)

    @asynccontextmanager
    async def subscribe(self, key: K) -> AsyncIterator[Subscription[E]]:
        """Everything of this key after `subscription.start`: what is older, the caller finds in the log.

        Raises what `read_head` raises, and FeedStopped.
        """
        if self._stopped:
            raise FeedStopped
        subscription: Subscription[E] = Subscription(self.queue_size)
        tail = self._tails.get(key) or self._add(key)
        tail.subscriptions.add(subscription)
        try:
            if tail.is_open:
                subscription.begin(tail.position)
            elif tail.opening is not None:
                await asyncio.shield(tail.opening)
            yield subscription
        finally:
            tail.subscriptions.discard(subscription)
            if not tail.subscriptions:
                self._remove(tail)

    def rejoin(self, key: K, subscription: Subscription[E]) -> Position:
        """Make a subscription that lagged live again; it gets everything after the position this returns."""
        subscription.begin(self._tails[key].position)
        return subscription.start

    async def read_after(self, key: K, position: Position) -> Sequence[E]:
        """A page of the log. Waits for a database that is away; raises FeedStopped."""
        tail = self._tails.get(key)
        if tail is not None and tail.recent and tail.recent[0].position <= position:
            return [entry for entry in tail.recent if entry.position > position][:CATCH_UP_PAGE]
        while not self._stopped:
            async with self._catching_up:
                entries = await self._try_to_read({key: position}, CATCH_UP_PAGE)
            if entries is not None:
                return entries
        raise FeedStopped

    async def stop(self) -> None:
        """End every subscription. What was handed out before can still be taken."""
        self._stopped = True
        for tail in list(self._tails.values()):
            for subscription in tail.subscriptions:
                subscription.end()
        if self._reader is not None:
            self._reader.cancel()
            await asyncio.wait([self._reader])

    def _add(self, key: K) -> _Tail[K, E]:
        tail = self._tails[key] = _Tail(key)
        # A task of its own: the first subscriber may leave while the second still waits for it.
        tail.opening = asyncio.create_task(self._open(tail), name="open event feed")
        return tail

    async def _open(self, tail: _Tail[K, E]) -> None:
        try:
            tail.unwatch = await self._hub.watch(self._channel_of(tail.key), lambda: self._wake(tail))
            tail.position = await self._read_head(tail.key)
        except Exception:
            # Every waiting subscriber gets this error; the next one begins anew.
            self._remove(tail)
            raise
        tail.due = 0.0
        for subscription in tail.subscriptions:
            subscription.begin(tail.position)
        self._news.set()
        if self._reader is None or self._reader.done():
            self._reader = asyncio.create_task(self._read_on(), name="read event log")

    def _remove(self, tail: _Tail[K, E]) -> None:
        if self._tails.get(tail.key) is not tail:
            return
        del self._tails[tail.key]
        if tail.opening is not None and tail.opening is not asyncio.current_task():
            tail.opening.cancel()
        if tail.unwatch is not None:
            tail.unwatch()
        self._news.set()

    def _wake(self, tail: _Tail[K, E]) -> None:
        tail.wake()
        self._news.set()

    async def _read_on(self) -> None:
        """Runs while there is a key; who leaves last wakes it to end."""
        while self._tails and not self._stopped:
            await self._wait_until_due()
            if tails := self._take_due():
                await self._read(tails)

    async def _wait_until_due(self) -> None:
        self._news.clear()
        pause = min(tail.due for tail in self._tails.values()) - asyncio.get_running_loop().time()
        if pause > 0:
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(min(pause, self._poll_interval)):
                    await self._news.wait()

    def _take_due(self) -> list[_Tail[K, E]]:
        now = asyncio.get_running_loop().time()
        if not any(tail.due <= now for tail in self._tails.values()):
            return []
        # Who would be due soon comes along, so that many quiet keys cost few reads.
        tails = [tail for tail in self._tails.values() if tail.due <= now + tail.pause / 4]
        for tail in tails:
            tail.schedule(now, self._poll_interval)
        return tails

    async def _read(self, tails: list[_Tail[K, E]]) -> None:
        entries = await self._try_to_read({tail.key: tail.position for tail in tails}, self.page)
        if entries is None:
            # No position has moved, so nothing is lost.
            for tail in tails:
                tail.due = 0.0
        else:
            await self._hand_out(tails, entries)
            await asyncio.sleep(BREATH_SECONDS)

    async def _try_to_read(self, positions: Mapping[K, Position], page: int) -> Sequence[E] | None:
        """None, after a pause, when the log cannot be read now."""
        try:
            async with asyncio.timeout(READ_SECONDS):
                entries = await self._read_log(positions, page)
        except Exception as error:
            # The boundary to the database, which this package does not know, nor by what errors it is away.
            await asyncio.sleep(self._outage.failed(error))
            return None
        self._outage.recovered()
        return entries

    async def _hand_out(self, tails: list[_Tail[K, E]], entries: Sequence[E]) -> None:
        by_key: defaultdict[Hashable, list[E]] = defaultdict(list)
        for entry in entries:
            by_key[entry.key].append(entry)
        for tail in tails:
            if len(by_key[tail.key]) >= self.page:
                tail.due = 0.0
        # Round by round, so that a key with a long page delays no other key.
        rounds = zip_longest(*(_slices(tail, by_key[tail.key]) for tail in tails))
        for number, round_ in enumerate(rounds):
            if number:
                await asyncio.sleep(BREATH_SECONDS / 5)
            for part in round_:
                if part is not None:
                    tail, slice_ = part
                    tail.hand_out(slice_)


def _slices(tail: _Tail[K, E], entries: list[E]) -> list[tuple[_Tail[K, E], list[E]]]:
    return [(tail, entries[start : start + SLICE]) for start in range(0, len(entries), SLICE)]
