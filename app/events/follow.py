"""The whole log of a key from any position on: what was missed, then live, whatever happens on the way."""

from collections.abc import AsyncGenerator, Sequence

from app.events.feed import Feed, K
from app.events.subscription import E, FeedStopped, Lagged, Position


async def follow(feed: Feed[K, E], key: K, after: Position | None = None) -> AsyncGenerator[E, None]:
    """Every entry after `after` (None: from now on), in order, without gap or duplicate; ends with the feed.

    A consumer that is slower than the log gets what it missed from the log itself, at its own pace. To stop,
    close the generator (`contextlib.aclosing`); cancelling a pending `anext` also ends it. Raises what
    `read_head` raises on the first `anext`, later nothing: a database that is away is waited for.
    """
    async with feed.subscribe(key) as subscription:
        missed_until = subscription.start
        position = missed_until if after is None else after
        while True:
            try:
                while missed := await _missed(feed, key, position, missed_until):
                    for entry in missed:
                        position = entry.position
                        yield entry
                async for entry in subscription:
                    # A cursor from another process can be ahead of what this one has read.
                    if entry.position > position:
                        position = entry.position
                        yield entry
            except Lagged:
                missed_until = feed.rejoin(key, subscription)
            except FeedStopped:
                return
            else:
                return


async def _missed(feed: Feed[K, E], key: K, position: Position, until: Position) -> Sequence[E]:
    """The next entries of the log up to `until`, no more than a queue holds; none when that is all."""
    if position >= until:
        return []
    page = await feed.read_after(key, position)
    return [entry for entry in page[: feed.queue_size] if entry.position <= until]
