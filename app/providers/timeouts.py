"""How long we wait for a vendor."""

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator
from dataclasses import dataclass
from typing import TypeVar

Item = TypeVar("Item")


@dataclass(frozen=True, slots=True)
class Timeouts:
    """Seconds: to connect, between two chunks (the first included), and for the whole call."""

    connect: float = 5.0
    between_chunks: float = 30.0
    whole_call: float = 300.0


async def until(deadline: float, items: AsyncIterator[Item]) -> AsyncGenerator[Item, None]:
    """Pass `items` on. Raises TimeoutError when the next one is not there at `deadline`, in the loop's time.

    The timer runs only while we wait: a timeout kept open across `yield` would cancel the consumer instead.
    """
    while True:
        try:
            async with asyncio.timeout_at(deadline):
                item = await anext(items)
        except StopAsyncIteration:
            return
        yield item
