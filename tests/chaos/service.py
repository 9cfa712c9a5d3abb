"""The service as a partner sees it: some addresses, a key, answers and silences."""

import random
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import httpx

ANSWER_SECONDS = 3.0
_INTERNAL = "INTERNAL"


class NoAnswer(Exception):
    """Nobody knows whether it was done: silence, a broken connection, or an error on the service's side."""


class Refused(Exception):
    """The service said no to something that it has to accept."""


@dataclass(slots=True)
class Tally:
    """What the API answered, by status and code, and every refusal that it should not have made."""

    answers: Counter[str] = field(default_factory=Counter)
    refusals: list[str] = field(default_factory=list)

    def refuse(self, reason: str) -> Refused:
        self.refusals.append(reason)
        return Refused(reason)


class Service:
    """One workspace's access. Each request goes to an address at random: a client knows of no failure before."""

    def __init__(self, http: httpx.AsyncClient, urls: list[str], api_key: str, tally: Tally) -> None:
        self._http = http
        self._headers = {"Authorization": f"Bearer {api_key}"}
        self.urls = urls
        self.api_key = api_key
        self.tally = tally

    async def ask(self, rng: random.Random, query: str, avoid: str | None = None, **variables: Any) -> dict[str, Any]:
        """`data` of the answer. Raises NoAnswer or Refused; `avoid` is the address that has just failed."""
        url = rng.choice([url for url in self.urls if url != avoid] or self.urls)
        body = {"query": query, "variables": variables}
        try:
            response = await self._http.post(f"{url}/graphql", json=body, headers=self._headers, timeout=ANSWER_SECONDS)
        except httpx.TransportError as error:
            self.tally.answers[f"none: {type(error).__name__}"] += 1
            raise NoAnswer(url) from None
        return self._data(url, response)

    def _data(self, url: str, response: httpx.Response) -> dict[str, Any]:
        answer = response.json() if "json" in response.headers.get("content-type", "") else {}
        codes = [error.get("extensions", {}).get("code", "?") for error in answer.get("errors", ())]
        self.tally.answers[" ".join([str(response.status_code), *codes])] += 1
        if response.is_server_error or _INTERNAL in codes:
            raise NoAnswer(url)
        if codes or not isinstance(answer.get("data"), dict):
            raise self.tally.refuse(f"{response.status_code} {response.text[:300]}")
        data: dict[str, Any] = answer["data"]
        return data
