"""Orders for trouble: the next calls of a vendor go wrong in the way asked for, in the order asked."""

from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

from app.fakes.journal import VENDORS


class FaultKind(StrEnum):
    """`rate_limit` 429 with Retry-After; `quota_exhausted` 429 without, as the money is spent; `server_error`
    a 5xx of `status`; `overloaded` 529 or 503; `bad_request` 400; `overloaded_midstream` an error event
    after `after` deltas; `cut` the connection closes after `after` deltas, before any terminal marker;
    `slow` waits `delay` seconds before each delta; `no_usage` sends no token counts,
    `zero_usage` counts that are zero; `cached_input` has read half of the prompt before (not replicate, which
    caches nothing); `refusal` the model declines, as the vendor's models do it.
    """

    RATE_LIMIT = "rate_limit"
    QUOTA_EXHAUSTED = "quota_exhausted"
    SERVER_ERROR = "server_error"
    OVERLOADED = "overloaded"
    OVERLOADED_MIDSTREAM = "overloaded_midstream"
    CUT = "cut"
    SLOW = "slow"
    NO_USAGE = "no_usage"
    ZERO_USAGE = "zero_usage"
    CACHED_INPUT = "cached_input"
    REFUSAL = "refusal"
    BAD_REQUEST = "bad_request"


class BadOrder(ValueError):
    """The order names no known vendor or kind, or a field has the wrong type."""


@dataclass(frozen=True, slots=True)
class Fault:
    """`times` calls, `after` deltas, `delay` and `retry_after` seconds, `status` of a server_error."""

    vendor: str
    kind: FaultKind
    times: int = 1
    after: int = 20
    delay: float = 1.0
    retry_after: float = 1.0
    status: int = 500

    @property
    def interrupts(self) -> bool:
        """The stream begins well and breaks off."""
        return self.kind in (FaultKind.CUT, FaultKind.OVERLOADED_MIDSTREAM)


@dataclass(frozen=True, slots=True)
class Tokens:
    """What a vendor says that a call used; the cached ones are part of the input."""

    input: int
    output: int
    cached_input: int = 0


def told_usage(fault: Fault | None, used: Tokens) -> Tokens | None:
    """What the vendor tells of it; None where it tells nothing."""
    match fault and fault.kind:
        case FaultKind.NO_USAGE:
            return None
        case FaultKind.ZERO_USAGE:
            return Tokens(0, 0)
        case FaultKind.CACHED_INPUT:
            return Tokens(used.input, used.output, cached_part(used.input, fault))
    return used


def cached_part(input_tokens: int, fault: Fault | None) -> int:
    """How much of the input the vendor has read before."""
    return input_tokens // 2 if fault is not None and fault.kind is FaultKind.CACHED_INPUT else 0


def parse_order(order: object) -> Fault:
    """Raises BadOrder saying what is wrong."""
    if not isinstance(order, Mapping):
        raise BadOrder("an order is a JSON object")
    unknown = set(order) - {field.name for field in fields(Fault)}
    if unknown:
        raise BadOrder(f"unknown fields: {', '.join(sorted(map(str, unknown)))}")
    if order.get("vendor") not in VENDORS:
        raise BadOrder(f"vendor is one of {', '.join(VENDORS)}")
    if order.get("kind") not in set(FaultKind):
        raise BadOrder(f"kind is one of {', '.join(FaultKind)}")
    return Fault(order["vendor"], FaultKind(order["kind"]), **_numbers(order))


def _numbers(order: Mapping[str, Any]) -> dict[str, Any]:
    numbers = {name: value for name, value in order.items() if name not in ("vendor", "kind")}
    for name, value in numbers.items():
        whole = name in ("times", "after", "status")
        if isinstance(value, bool) or not isinstance(value, int if whole else int | float) or value < 0:
            raise BadOrder(f"{name} is a {'whole ' if whole else ''}number, not below zero")
    return numbers


class FaultQueue:
    """What is still to go wrong, per vendor."""

    def __init__(self) -> None:
        self._waiting: list[Fault] = []

    def add(self, fault: Fault) -> None:
        self._waiting.extend([fault] * fault.times)

    def take(self, vendor: str) -> Fault | None:
        fault = next((waiting for waiting in self._waiting if waiting.vendor == vendor), None)
        if fault is not None:
            self._waiting.remove(fault)
        return fault

    def clear(self) -> None:
        self._waiting.clear()
