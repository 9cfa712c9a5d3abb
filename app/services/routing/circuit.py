"""When a model is not asked for a while. Pure: whoever asks gives the time, in seconds since 1970.

The circuit breaker of M. Nygard, "Release It!", 2nd edition, chapter 5: calls that fail open it; when its pause is over
it is half open and one call is let through, which closes it or opens it again, for twice as long.
"""

from collections import deque
from dataclasses import asdict, dataclass
from enum import StrEnum
from typing import Any, Self

FAILURES_IN_A_ROW = 5
# Or so large a share of at least so many calls within so many seconds.
FAILED_SHARE = 0.5
LEAST_CALLS = 10
WINDOW_SECONDS = 30.0
FIRST_PAUSE_SECONDS = 5.0
LONGEST_PAUSE_SECONDS = 60.0
# What a vendor asks for with Retry-After counts up to this.
LONGEST_WISH_SECONDS = 300.0
# One that nobody has tried to close for so long is forgotten.
FORGOTTEN_SECONDS = 600.0


class CircuitState(StrEnum):
    OPEN = "OPEN"
    HALF_OPEN = "HALF_OPEN"


@dataclass(frozen=True, slots=True)
class Circuit:
    """One that is not closed. `ref` is "provider/model", `reason` a ProviderError's, `times` how often in a row it
    has been opened, `since` when that began, `until` when it is half open."""

    ref: str
    reason: str
    since: float
    until: float
    times: int = 1

    def state(self, now: float) -> CircuitState:
        return CircuitState.OPEN if now < self.until else CircuitState.HALF_OPEN

    def again(self, reason: str, now: float, wish: float | None) -> Self:
        """After the call that was let through has failed."""
        until = now + _pause(self.times + 1, wish)
        return type(self)(self.ref, reason, self.since, until, self.times + 1)

    def is_forgotten(self, now: float) -> bool:
        return now > self.until + FORGOTTEN_SECONDS

    def as_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def opened(cls, ref: str, reason: str, now: float, wish: float | None) -> Self:
        """`wish` is the vendor's Retry-After in seconds, if any."""
        return cls(ref, reason, now, now + _pause(1, wish))


class Calls:
    """The latest calls of one model, as this process saw them end."""

    def __init__(self) -> None:
        self._ends: deque[tuple[float, bool]] = deque()
        self._failures = 0
        self._in_a_row = 0

    def answered(self, now: float) -> None:
        self._in_a_row = 0
        self._add(now, failed=False)

    def failed(self, now: float) -> bool:
        """Whether that is enough to open the circuit; then what was counted is forgotten."""
        self._in_a_row += 1
        self._add(now, failed=True)
        mostly = len(self._ends) >= LEAST_CALLS and self._failures >= FAILED_SHARE * len(self._ends)
        if self._in_a_row < FAILURES_IN_A_ROW and not mostly:
            return False
        self.forget()
        return True

    def forget(self) -> None:
        self._ends.clear()
        self._failures = self._in_a_row = 0

    def _add(self, now: float, *, failed: bool) -> None:
        self._ends.append((now, failed))
        self._failures += failed
        while self._ends[0][0] <= now - WINDOW_SECONDS:
            self._failures -= self._ends.popleft()[1]


def _pause(times: int, wish: float | None) -> float:
    pause = min(LONGEST_PAUSE_SECONDS, FIRST_PAUSE_SECONDS * 2.0 ** min(times - 1, 16))
    return max(pause, min(wish or 0.0, LONGEST_WISH_SECONDS))
