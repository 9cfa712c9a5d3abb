"""The vendor's side of a task that is running."""

import asyncio
from typing import Any

from tests.integration.conftest import Fakes


async def open_call(fakes: Fakes, *, vendor: str = "openai", seconds: float = 10) -> Any:
    """The journal's entry of the call that is under way, when there is one; `ended` and `outcome` tell its end."""
    async with asyncio.timeout(seconds):
        while not (calls := fakes.journal.calls(vendor)) or calls[-1].ended.is_set():  # noqa: ASYNC110 no event for it
            await asyncio.sleep(0.02)
    return calls[-1]
