"""Token buckets in Redis, shared by all processes: one connection, and one write for all who ask at the same moment."""

import asyncio
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache

from redis.asyncio.connection import AbstractConnection

from app.events.client import redis_client
from app.events.outage import Outage
from app.events.token_bucket import SCRIPT, SCRIPT_HASH, Bucket, Taken

# Who asks waits no longer than this, counted in turns of the loop: a process that was itself held up for long finds
# the answer there, and has not waited in vain.
PATIENCE_SECONDS = 0.05
_TURNS = 5
# A connection that is silent for so long is given up; until then nobody else waits for it.
SILENCE_SECONDS = 1.0


CACHED_COMMANDS = 10_000


class BucketsUnavailable(Exception):
    """Redis is away, or did not answer in time. Whether points were taken is not known."""


@dataclass(slots=True)
class _Call:
    command: bytes
    # None where nobody waits for what comes of it.
    answer: asyncio.Future[Taken] | None


class SharedBuckets:
    """`start` and `stop` it. While Redis is away it looks for it, and every `take` raises at once."""

    def __init__(self, url: str) -> None:
        self._pool = redis_client(url).connection_pool
        self._outage = Outage("redis buckets")
        self._connection: AbstractConnection | None = None
        self._late = False
        self._calls: list[_Call] = []
        self._asked = asyncio.Event()
        self._server: asyncio.Task[None] | None = None
        self._first_try = asyncio.Event()

    async def start(self) -> None:
        """Returns after the first try, whether or not Redis answered."""
        self._server = asyncio.create_task(self._serve(), name="redis buckets")
        await self._first_try.wait()

    async def stop(self) -> None:
        if self._server is not None:
            self._server.cancel()
            await asyncio.wait([self._server])

    @property
    def available(self) -> bool:
        return self._connection is not None and not self._late

    async def take(self, buckets: tuple[Bucket, ...], points: int) -> Taken:
        """All of it from each bucket, or nothing from any. Raises BucketsUnavailable within 50 ms."""
        if self._connection is None or self._late:
            raise BucketsUnavailable
        answer: asyncio.Future[Taken] = asyncio.get_running_loop().create_future()
        self._calls.append(_Call(_command(buckets, points), answer))
        self._asked.set()
        return await answer

    def give_back(self, buckets: tuple[Bucket, ...], points: int) -> None:
        """Before anything that is taken later. Nobody waits for it, and it is lost where Redis is away."""
        if self._connection is not None and not self._late:
            self._calls.append(_Call(_command(buckets, -points), None))
            self._asked.set()

    async def _serve(self) -> None:
        while True:
            pause = 0.0
            connection: AbstractConnection = self._pool.connection_class(**self._pool.connection_kwargs)
            try:
                await self._answer_over(connection)
            except Exception as error:
                # The boundary of this connection: whatever ends it, the next one is tried, for ever.
                pause = self._outage.failed(error)
            finally:
                self._connection = None
                self._give_up(())
                self._first_try.set()
                await connection.disconnect(nowait=True)
            await asyncio.sleep(pause)

    async def _answer_over(self, connection: AbstractConnection) -> None:
        async with asyncio.timeout(SILENCE_SECONDS):
            await connection.connect()  # type: ignore[no-untyped-call]
            await connection.send_command("SCRIPT", "LOAD", SCRIPT)
            await connection.read_response()
        self._connection, self._late = connection, False
        self._outage.recovered()
        self._first_try.set()
        while True:
            await self._asked.wait()
            self._asked.clear()
            calls, self._calls = self._calls, []
            await self._exchange(connection, calls)
            self._late = False

    async def _exchange(self, connection: AbstractConnection, calls: Sequence[_Call]) -> None:
        patience = _Patience(lambda: self._give_up(calls))
        try:
            async with asyncio.timeout(SILENCE_SECONDS):
                await connection.send_packed_command(b"".join(call.command for call in calls), False)
                for call in calls:
                    wait, *used = await connection.read_response()
                    if call.answer is not None and not call.answer.done():
                        call.answer.set_result(Taken(wait, tuple(used)))
        except BaseException:
            self._give_up(calls)
            raise
        finally:
            patience.end()

    def _give_up(self, under_way: Sequence[_Call]) -> None:
        """Also on those whose turn would come next."""
        self._late = True
        for call in (*under_way, *self._calls):
            if call.answer is not None and not call.answer.done():
                call.answer.set_exception(BucketsUnavailable())
        self._calls = []


@lru_cache(maxsize=CACHED_COMMANDS)
def _command(buckets: tuple[Bucket, ...], points: int) -> bytes:
    """EVALSHA in Redis' protocol (RESP 2: an array of bulk strings). Callers ask for the same again and again."""
    sizes = [number for bucket in buckets for number in (bucket.capacity, bucket.window)]
    words = ["EVALSHA", SCRIPT_HASH, len(buckets), *(bucket.key for bucket in buckets), points, *sizes]
    bulks = [str(word).encode() for word in words]
    return b"*%d\r\n" % len(bulks) + b"".join(b"$%d\r\n%b\r\n" % (len(bulk), bulk) for bulk in bulks)


class _Patience:
    """Calls `give_up` once, PATIENCE_SECONDS after it was made, unless it is ended before."""

    def __init__(self, give_up: Callable[[], None]) -> None:
        self._give_up = give_up
        self._turns = _TURNS
        self._loop = asyncio.get_running_loop()
        self._timer = self._loop.call_later(PATIENCE_SECONDS / _TURNS, self._turn)

    def end(self) -> None:
        self._timer.cancel()

    def _turn(self) -> None:
        self._turns -= 1
        if self._turns == 0:
            self._give_up()
        else:
            self._timer = self._loop.call_later(PATIENCE_SECONDS / _TURNS, self._turn)
