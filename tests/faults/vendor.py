"""Orders to the fake vendor of a cluster, and what it was asked."""

from collections import Counter
from collections.abc import Iterable
from typing import Any

import httpx

from app import ids
from tests.faults.waiting import until

FEWEST_DELTAS = 24  # of an answer, each of which a slow vendor delays


class Vendor:
    def __init__(self, http: httpx.AsyncClient, url: str) -> None:
        self._http = http
        self._url = url

    async def slow(self, calls: int, *, seconds: float) -> None:
        """The next so many calls take at least so long, and up to two and a half times that."""
        delay = seconds / FEWEST_DELTAS
        order = {"vendor": "openai", "kind": "slow", "times": calls, "delay": delay}
        (await self._http.post(f"{self._url}/_faults", json=order)).raise_for_status()

    async def forget(self) -> None:
        """Be quick again, for calls that have not begun."""
        (await self._http.delete(f"{self._url}/_faults")).raise_for_status()

    async def calls(self) -> dict[str, str]:
        """The outcome of each of the last thousand calls, "open" while it is answered, by idempotency key."""
        calls: list[dict[str, Any]] = (await self._http.get(f"{self._url}/_requests")).json()["openai"]["requests"]
        return {call["headers"]["idempotency-key"]: call["outcome"] for call in calls}

    async def wait_for(self, tasks: Iterable[str], *, attempt: int, outcome: str) -> None:
        """Until the first call of this attempt at each of the tasks has come so far."""
        keys = [call_key(task, attempt) for task in tasks]
        seen = Counter[str | None]()

        async def have() -> bool:
            calls = await self.calls()
            seen.clear()
            seen.update(calls.get(key) for key in keys)
            return seen[outcome] == len(keys)

        await until(have, f"calls of attempt {attempt} are {outcome}", seen=seen)


def call_key(task: str, attempt: int) -> str:
    """What the service calls the first call of an attempt."""
    return f"{ids.decode(ids.TASK, task)}-{attempt}-1"
