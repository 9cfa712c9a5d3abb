"""Waiting for what happens in other processes, of which nobody tells us."""

import asyncio
import time
from collections.abc import Awaitable, Callable

POLL_SECONDS = 0.1
# For what the issue gives no limit: far above what a slow machine needs.
PATIENCE_SECONDS = 60.0


async def until(
    condition: Callable[[], Awaitable[bool]], what: str, seconds: float = PATIENCE_SECONDS, seen: object = None
) -> float:
    """Returns after how many seconds it was so. Fails the test, saying `what` and what was `seen` last, otherwise."""
    begun = time.monotonic()
    while not await condition():
        assert time.monotonic() - begun < seconds, f"not within {seconds:g} s: {what}; {seen=}"
        await asyncio.sleep(POLL_SECONDS)
    return time.monotonic() - begun
