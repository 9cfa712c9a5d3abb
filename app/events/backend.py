"""Redis pub/sub as a backend of broadcaster that outlives every outage of Redis.

broadcaster 0.3.1 ships one that ends silently with its connection and queues without bound. This one keeps
the set of wanted channels, makes each new connection subscribe to all of them, and then says that wakes may
have been missed.
"""

import asyncio
from collections import Counter
from collections.abc import Coroutine, Iterable, Mapping
from typing import Any

import structlog
from broadcaster import BroadcastBackend, Event
from redis.asyncio.client import PubSub
from redis.exceptions import ConnectionError as RedisConnectionError

from app.events.client import redis_client
from app.events.outage import Outage
from app.events.publisher import Publisher

# An event on this channel means: wakes may have been lost, everybody reads again.
RECONNECTED = "bizq:reconnected"
# A silent connection is asked for a sign of life after this time, and given up after as much again.
QUIET_SECONDS = 5.0
CONNECT_SECONDS = 1.0
ACKNOWLEDGE_SECONDS = 2.0

log = structlog.stdlib.get_logger(__name__)


class RedisPubSub(BroadcastBackend):
    """Carries wakes, not messages: an event says that something happened on its channel, its text is empty.

    A wake for a channel that already has one waiting is dropped, so memory is O(channels).
    """

    def __init__(self, url: str) -> None:
        self._client = redis_client(url)
        self._publisher = Publisher(redis_client(url))
        self._outage = Outage("redis subscribe")
        self._supervisor: asyncio.Task[None] | None = None
        self._first_try = asyncio.Event()
        self._connected = False
        # What is wanted, by channel: set once Redis has acknowledged it, or once there is no use in waiting.
        self._wanted: dict[str, asyncio.Event] = {RECONNECTED: asyncio.Event()}
        self._changed: set[str] = set()
        self._change = asyncio.Event()
        # The present connection: what was asked of it, and how many of its answers are still to come.
        self._pubsub: PubSub | None = None
        self._asked: set[str] = set()
        self._unanswered: Counter[str] = Counter()
        self._arrived: dict[str, None] = {}
        self._arrival = asyncio.Event()

    @property
    def connected(self) -> bool:
        """Whether Redis has acknowledged every channel that was wanted when the connection was made."""
        return self._connected

    async def connect(self) -> None:
        """Start listening. Returns after the first try, whether or not Redis answered."""
        self._supervisor = asyncio.create_task(self._supervise(), name="redis subscribe")
        await self._first_try.wait()

    async def disconnect(self) -> None:
        if self._supervisor is not None:
            self._supervisor.cancel()
            await asyncio.wait([self._supervisor])
        await self._client.aclose()
        await self._publisher.stop()

    async def subscribe(self, group: str) -> None:
        """Returns when Redis has acknowledged; at once while Redis is away (it is made up for on return)."""
        acknowledged = self._wanted.setdefault(group, asyncio.Event())
        self._note_change(group)
        standing = group in self._asked and group not in self._unanswered
        if self._pubsub is None or standing:
            return
        try:
            async with asyncio.timeout(ACKNOWLEDGE_SECONDS):
                await acknowledged.wait()
        except TimeoutError:
            log.warning("subscribe_not_acknowledged", channel=group)

    async def unsubscribe(self, group: str) -> None:
        self._wanted.pop(group, None)
        self._note_change(group)

    async def publish(self, channel: str, message: Any) -> None:
        """Wake a channel; the message is not sent. Never raises, never takes above 0.5 s."""
        await self._publisher.publish([channel])

    async def publish_many(self, channels: Iterable[str]) -> bool:
        """Wake many channels in one pipeline. False when Redis did not take it."""
        return await self._publisher.publish(channels)

    async def next_published(self) -> Event:
        while not self._arrived:
            self._arrival.clear()
            await self._arrival.wait()
        channel = next(iter(self._arrived))
        del self._arrived[channel]
        return Event(channel, "")

    async def _supervise(self) -> None:
        while True:
            pause = 0.0
            try:
                await self._serve_one_connection()
            except Exception as error:
                # The boundary of this connection: whatever ends it (redis-py and asyncio have more ways than
                # RedisError and OSError), the next one is tried, for ever.
                pause = self._outage.failed(error)
            finally:
                self._connection_lost()
            await asyncio.sleep(pause)

    async def _serve_one_connection(self) -> None:
        async with self._client.pubsub() as pubsub:
            async with asyncio.timeout(CONNECT_SECONDS):
                await pubsub.connect()
            self._pubsub = pubsub
            # RECONNECTED goes last: answers come in order, so its answer is the answer to all.
            channels = [channel for channel in self._wanted if channel != RECONNECTED]
            await self._ask(pubsub, subscribe=[*channels, RECONNECTED])
            await _until_one_fails(self._receive_all(pubsub), self._ask_for_changes(pubsub))

    def _connection_lost(self) -> None:
        self._connected = False
        self._pubsub = None
        self._asked.clear()
        self._unanswered.clear()
        self._first_try.set()
        for acknowledged in self._wanted.values():
            acknowledged.set()

    def _note_change(self, channel: str) -> None:
        self._changed.add(channel)
        self._change.set()

    async def _ask_for_changes(self, pubsub: PubSub) -> None:
        while True:
            await self._change.wait()
            self._change.clear()
            changed, self._changed = self._changed, set()
            await self._ask(
                pubsub,
                subscribe=[c for c in changed if c in self._wanted and c not in self._asked],
                unsubscribe=[c for c in changed if c in self._asked and c not in self._wanted],
            )

    async def _ask(self, pubsub: PubSub, subscribe: list[str], unsubscribe: list[str] | None = None) -> None:
        self._asked.update(subscribe)
        self._asked.difference_update(unsubscribe or [])
        self._unanswered.update(subscribe)
        self._unanswered.update(unsubscribe or [])
        if subscribe:
            await pubsub.subscribe(*subscribe)
        if unsubscribe:
            await pubsub.unsubscribe(*unsubscribe)

    async def _receive_all(self, pubsub: PubSub) -> None:
        asked_for_life = False
        while True:
            message = await pubsub.get_message(timeout=QUIET_SECONDS)
            if message is not None:
                asked_for_life = False
                self._receive(message)
            elif asked_for_life:
                raise RedisConnectionError(f"no sign of life for {2 * QUIET_SECONDS:.0f} s")
            else:
                async with asyncio.timeout(QUIET_SECONDS):
                    await pubsub.ping()
                asked_for_life = True

    def _receive(self, message: Mapping[str, Any]) -> None:
        """A message of redis-py's PubSub: `type`, `channel` (bytes; None for a pong) and `data`."""
        if message["type"] == "message":
            self._arrive(message["channel"].decode())
        elif message["type"] in ("subscribe", "unsubscribe"):
            self._answered(message["channel"].decode())

    def _arrive(self, channel: str) -> None:
        self._arrived[channel] = None
        self._arrival.set()

    def _answered(self, channel: str) -> None:
        self._unanswered[channel] -= 1
        if self._unanswered[channel] > 0:
            return
        del self._unanswered[channel]
        if channel not in self._asked:
            return
        if channel == RECONNECTED:
            self._connection_made()
        if channel in self._wanted:
            self._wanted[channel].set()

    def _connection_made(self) -> None:
        self._connected = True
        self._outage.recovered()
        self._publisher.resume()
        self._first_try.set()
        self._arrive(RECONNECTED)


async def _until_one_fails(*coroutines: Coroutine[Any, Any, None]) -> None:
    """Run endless coroutines side by side. Raises what ends the first, when all have ended.

    Not a TaskGroup: on Python 3.11 a failing child leaves the parent marked as being cancelled.
    """
    tasks = [asyncio.create_task(coroutine, name="redis subscribe") for coroutine in coroutines]
    try:
        ended, _ = await asyncio.wait(tasks, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)
    for task in ended:
        task.result()
