"""What each fake vendor was asked and what it served, for tests and for `GET /_requests`."""

import asyncio
from collections import deque
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from app.fakes.words import count_tokens

VENDORS = ("openai", "anthropic")
_KEPT_CALLS = 1_000
# Never the key itself, so that a real one used by mistake shows up nowhere.
_KEPT_HEADERS = ("idempotency-key", "anthropic-version", "user-agent", "content-type")


@dataclass
class Call:
    """One request. `outcome`: open, completed, cut, disconnected (the client went away) or an HTTP status."""

    path: str
    headers: dict[str, str]
    body: Mapping[str, Any]
    input_tokens: int = 0
    output_tokens: int = 0
    deltas: int = 0
    outcome: str = "open"
    ended: asyncio.Event = field(default_factory=asyncio.Event)

    def end(self, outcome: str, delivered: list[str]) -> None:
        """Record what the client got; only that counts as served."""
        self.outcome = outcome
        self.deltas = len(delivered)
        self.output_tokens = count_tokens("".join(delivered))
        self.ended.set()

    def as_json(self) -> dict[str, Any]:
        kept = ("path", "headers", "body", "input_tokens", "output_tokens", "deltas", "outcome")
        return {name: getattr(self, name) for name in kept}


class Journal:
    """The last thousand calls of every vendor and the sums over all of them."""

    def __init__(self) -> None:
        self._calls: dict[str, deque[Call]] = {vendor: deque(maxlen=_KEPT_CALLS) for vendor in VENDORS}
        self._counts = dict.fromkeys(VENDORS, 0)

    def begin(self, vendor: str, path: str, headers: Mapping[str, str], body: Mapping[str, Any]) -> Call:
        kept = {name: headers[name] for name in _KEPT_HEADERS if name in headers}
        call = Call(path, kept, body)
        self._calls[vendor].append(call)
        self._counts[vendor] += 1
        return call

    def calls(self, vendor: str) -> tuple[Call, ...]:
        return tuple(self._calls[vendor])

    def as_json(self) -> dict[str, Any]:
        """Per vendor: `calls` (all ever), tokens served in the calls kept, and those calls, oldest first."""
        return {
            vendor: {
                "calls": self._counts[vendor],
                "input_tokens": sum(call.input_tokens for call in calls),
                "output_tokens": sum(call.output_tokens for call in calls),
                "requests": [call.as_json() for call in calls],
            }
            for vendor, calls in self._calls.items()
        }
