"""One subscriber's bounded view of the tail of the event log."""

import asyncio
from collections import deque
from collections.abc import Hashable, Sequence
from typing import Any, Generic, Protocol, TypeAlias, TypeVar

# A place in the log, comparable with every other place of the same key, e.g. (xid, task id, seq).
Position: TypeAlias = tuple[Any, ...]


class LogEntry(Protocol):
    """A row of the log. `key` is what one subscribes to: the workspace's id."""

    @property
    def position(self) -> Position: ...
    @property
    def key(self) -> Hashable: ...


E = TypeVar("E", bound=LogEntry)


class Lagged(Exception):
    """The subscriber was too slow. `position` is that of the last entry it was given: read on from there."""

    def __init__(self, position: Position) -> None:
        self.position = position
        super().__init__(f"subscriber fell behind after {position}")


class FeedStopped(Exception):
    """The process is going down: resume elsewhere, from the last position."""


class Subscription(Generic[E]):
    """Everything after `start`, in order, each entry once, until it lags or the feed stops."""

    def __init__(self, capacity: int) -> None:
        self.start: Position = ()
        self._last: Position = ()
        self._capacity = capacity
        self._queue: deque[E] = deque()
        self._lagging = False
        self._stopped = False
        self._news = asyncio.Event()

    @property
    def pending(self) -> int:
        """How many entries wait to be taken."""
        return len(self._queue)

    async def get(self) -> E:
        """The next entry. Raises Lagged, again and again until `Feed.rejoin`; FeedStopped after the last
        entry.

        Safe to cancel: an entry is taken or it is not.
        """
        while not self._queue:
            if self._stopped:
                raise FeedStopped
            if self._lagging:
                raise Lagged(self._last)
            self._news.clear()
            await self._news.wait()
        entry = self._queue.popleft()
        self._last = entry.position
        return entry

    def __aiter__(self) -> "Subscription[E]":
        return self

    async def __anext__(self) -> E:
        """As `get`, but the iteration ends normally when the feed stops."""
        try:
            return await self.get()
        except FeedStopped:
            raise StopAsyncIteration from None

    def begin(self, position: Position) -> None:
        """For the feed: from here on every entry after `position` will be offered."""
        self.start = self._last = position
        self._lagging = False

    def offer(self, entries: Sequence[E]) -> None:
        """For the feed: take these, or drop everything when they do not fit. Never waits."""
        if self._lagging:
            return
        if len(self._queue) + len(entries) > self._capacity:
            self._queue.clear()
            self._lagging = True
        else:
            self._queue.extend(entries)
        self._news.set()

    def end(self) -> None:
        """For the feed: nothing more will come."""
        self._stopped = True
        self._news.set()
