"""Who in this process waits for which channel."""

import asyncio
import contextlib
from collections.abc import AsyncIterator, Callable, Iterable
from contextlib import asynccontextmanager

from broadcaster import Broadcast

from app.events.backend import RECONNECTED, RedisPubSub


class Wakeups:
    """Wakes of one channel for one listener, any number of them counting as one."""

    def __init__(self, is_closed: Callable[[], bool]) -> None:
        self._woken = asyncio.Event()
        self._is_closed = is_closed

    @property
    def closed(self) -> bool:
        """The hub has stopped: no wake will come, `wait` returns at once."""
        return self._is_closed()

    def wake(self) -> None:
        self._woken.set()

    async def wait(self, timeout: float) -> None:  # noqa: ASYNC109 it ends normally, without cancelling
        """Return after a wake since the last wait, after a reconnect to Redis, or after `timeout` seconds."""
        if self.closed:
            # Whoever loops on this must not keep the event loop to itself.
            await asyncio.sleep(0)
            return
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(timeout):
                await self._woken.wait()
        self._woken.clear()


class _Room:
    """The local listeners of one channel and the task that is their only subscriber at broadcaster."""

    def __init__(self) -> None:
        self.listeners: dict[object, Callable[[], None]] = {}
        self.open = asyncio.Event()
        self.relay: asyncio.Task[None] | None = None

    def wake(self) -> None:
        for notify in list(self.listeners.values()):
            notify()


class Hub:
    """One per process: many local listeners, one Redis subscription for each channel.

    Only a room's own task subscribes at broadcaster, and a room stays in the index until it has subscribed.
    This keeps broadcaster 0.3.1 from what it cannot do: two first subscribers of a channel at once, or a
    subscriber that is cancelled before the subscription stands. The task also empties broadcaster's unbounded
    queues at once.
    """

    def __init__(self, url: str) -> None:
        self._backend = RedisPubSub(url)
        self._broadcast = Broadcast(backend=self._backend)
        self._rooms: dict[str, _Room] = {}
        self._relays: set[asyncio.Task[None]] = set()
        self._stopped = False

    @property
    def connected(self) -> bool:
        return self._backend.connected

    @property
    def channels(self) -> frozenset[str]:
        """What somebody in this process listens to."""
        return frozenset(self._rooms) - {RECONNECTED}

    async def start(self) -> None:
        """Returns after the first try to reach Redis, successful or not."""
        await self._broadcast.connect()
        await self.watch(RECONNECTED, self._wake_everybody)

    async def stop(self) -> None:
        """Wake everybody, so that streams can end, and let go of Redis."""
        if self._stopped:
            return
        self._stopped = True
        self._wake_everybody()
        await self._broadcast.disconnect()
        for room in self._rooms.values():
            if room.open.is_set() and room.relay is not None:
                room.relay.cancel()
        if self._relays:
            await asyncio.wait(self._relays)
        self._rooms.clear()

    async def publish(self, channel: str) -> None:
        """Wake all listeners of a channel in all processes. Never raises, never takes above 0.5 s."""
        await self._broadcast.publish(channel, "")

    async def publish_many(self, channels: Iterable[str]) -> bool:
        """Wake many channels in one round trip. False when Redis did not take it."""
        return await self._backend.publish_many(channels)

    @asynccontextmanager
    async def listen(self, channel: str) -> AsyncIterator[Wakeups]:
        """Every wake published after this has begun is seen, as far as Redis is up; see `watch`."""
        wakeups = Wakeups(lambda: self._stopped)
        leave = await self.watch(channel, wakeups.wake)
        try:
            yield wakeups
        finally:
            leave()

    async def watch(self, channel: str, notify: Callable[[], None]) -> Callable[[], None]:
        """Call `notify` at every wake, reconnect and at the stop; returns the function that ends it.

        Returns when Redis has acknowledged the subscription, or at once while Redis is away: then it is made,
        and `notify` called, when Redis is back. Ending does not wait for anything, so a cancelled caller can
        do it too.
        """
        if self._stopped:
            return lambda: None
        room = self._rooms.get(channel) or self._open_room(channel)
        token = object()
        room.listeners[token] = notify
        try:
            await room.open.wait()
        except asyncio.CancelledError:
            self._leave(channel, room, token)
            raise
        return lambda: self._leave(channel, room, token)

    def _open_room(self, channel: str) -> _Room:
        room = self._rooms[channel] = _Room()
        room.relay = asyncio.create_task(self._relay(channel, room), name=f"relay {channel}")
        self._relays.add(room.relay)
        room.relay.add_done_callback(self._relays.discard)
        return room

    def _leave(self, channel: str, room: _Room, token: object) -> None:
        room.listeners.pop(token, None)
        if not room.listeners and room.open.is_set() and self._rooms.get(channel) is room:
            # The next who comes opens a new room; until this one has gone it is simply a second subscriber.
            del self._rooms[channel]
            if room.relay is not None:
                room.relay.cancel()

    async def _relay(self, channel: str, room: _Room) -> None:
        async with self._broadcast.subscribe(channel) as subscriber:
            room.open.set()
            if not room.listeners and self._rooms.get(channel) is room:
                del self._rooms[channel]
            while room.listeners and not self._stopped:
                await subscriber.get()
                room.wake()

    def _wake_everybody(self) -> None:
        for channel, room in list(self._rooms.items()):
            if channel != RECONNECTED:
                room.wake()
