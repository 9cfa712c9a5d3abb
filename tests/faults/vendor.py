"""Orders to the fake vendor of a cluster, and what it was asked."""

from collections import Counter, defaultdict
from collections.abc import Iterable
from typing import Any
from uuid import UUID

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

    async def calls(self) -> dict[str, list[str]]:
        """By task, the outcomes of its calls among the last thousand, in order; "open" while one is answered."""
        calls: list[dict[str, Any]] = (await self._http.get(f"{self._url}/_requests")).json()["openai"]["requests"]
        outcomes = defaultdict[str, list[str]](list)
        for call in calls:
            # The key of a call begins with its task.
            task = ids.encode(ids.TASK, UUID(call["headers"]["idempotency-key"][:36]))
            outcomes[task].append(call["outcome"])
        return outcomes

    async def wait_for(self, tasks: Iterable[str], *, attempt: int, outcome: str) -> None:
        """Until this call of each of the tasks, the first being 1, has come so far."""
        wanted = list(tasks)
        seen = Counter[str]()

        async def have() -> bool:
            calls = await self.calls()
            seen.clear()
            seen.update(each for task in wanted for each in calls[task][attempt - 1 : attempt])
            return seen[outcome] == len(wanted)

        await until(have, f"calls of attempt {attempt} are {outcome}", seen=seen)
