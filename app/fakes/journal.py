"""What each fake vendor was asked and what it served, for tests, `GET /_requests` and `GET /_served`."""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from typing import Any

from app.fakes.words import count_tokens

VENDORS = ("openai", "anthropic", "huggingface", "replicate")
_KEPT_CALLS = 1_000
# Never the key itself, so that a real one used by mistake shows up nowhere.
_KEPT_HEADERS = ("idempotency-key", "cancel-after", "anthropic-version", "user-agent", "content-type")


@dataclass
class Served:
    """The sums of one vendor: all `calls`, those among them that got an HTTP error (`refused`) or have not ended
    (`open`), and the tokens of the others. `cached_input_tokens` are a part of `input_tokens`."""

    calls: int = 0
    refused: int = 0
    open: int = 0
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0


@dataclass
class Call:
    """One request. `outcome`: open, completed, cut, disconnected (the client went away), failed, canceled or an HTTP
    status. Input counts as served where an answer was begun, output as far as it was written."""

    path: str
    headers: dict[str, str]
    body: Mapping[str, Any]
    served: Served = field(default_factory=Served, repr=False)
    input_tokens: int = 0
    cached_input_tokens: int = 0
    output_tokens: int = 0
    deltas: int = 0
    outcome: str = "open"
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, outcome: str, delivered: list[str]) -> None:
        """Record what the client got; only that counts as served."""
        self.outcome = outcome
        self.deltas = len(delivered)
        self.output_tokens = count_tokens("".join(delivered))
        self.served.open -= 1
        self.served.refused += outcome.isdecimal()
        self.served.input_tokens += self.input_tokens
        self.served.cached_input_tokens += self.cached_input_tokens
        self.served.output_tokens += self.output_tokens
        self.ended.set()

    def as_json(self) -> dict[str, Any]:
        kept = ("path", "headers", "body", "input_tokens", "cached_input_tokens", "output_tokens", "deltas", "outcome")
        return {name: getattr(self, name) for name in kept}


class Journal:
    """The last thousand calls of every vendor and the sums over all of them."""

    def __init__(self) -> None:
        self._calls: dict[str, deque[Call]] = {vendor: deque(maxlen=_KEPT_CALLS) for vendor in VENDORS}
        self._served = {vendor: Served() for vendor in VENDORS}

    def begin(self, vendor: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> Call:
        kept = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
        served = self._served[vendor]
        served.calls += 1
        served.open += 1
        call = Call(path, kept, body, served)
        self._calls[vendor].append(call)
        return call

    def calls(self, vendor: str) -> tuple[Call, ...]:
        return tuple(self._calls[vendor])

    def served(self, vendor: str) -> Served:
        """As it is now, over all calls ever."""
        return replace(self._served[vendor])

    def served_as_json(self) -> dict[str, Any]:
        return {vendor: asdict(served) for vendor, served in self._served.items()}

    def as_json(self) -> dict[str, Any]:
        """Per vendor: what it served, over all calls ever, and the last thousand of them, oldest first."""
        return {
            vendor: {**asdict(self._served[vendor]), "requests": [call.as_json() for call in calls]}
            for vendor, calls in self._calls.items()
        }
