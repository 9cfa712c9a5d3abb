"""What one workload measured, and the arithmetic of it."""

import math
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from typing import Any, Self

SERVICE = ("api", "worker", "postgres", "redis")


@dataclass(frozen=True, slots=True)
class Figures:
    """`count` of `unit` in `seconds`. `per_second` is None where the rate was given and not found out.

    `cpu_ms` are milliseconds of processor time for each `unit`, by group of processes; `other_cores` how many cores
    strangers kept busy meanwhile. `failures` say what was wrong with an answer; `extra` is what no other workload has.
    """

    name: str
    title: str
    unit: str
    count: int
    seconds: float
    per_second: float | None
    p50_ms: float | None
    p95_ms: float | None
    p99_ms: float | None
    cpu_ms: Mapping[str, float]
    other_cores: float
    extra: Mapping[str, float] = field(default_factory=dict)
    failures: Sequence[str] = ()

    @property
    def service_cpu_ms(self) -> float:
        """Of the service and its servers together; neither the load nor the stand-in for a model counts."""
        return sum(self.cpu_ms.get(group, 0.0) for group in SERVICE)

    def as_json(self) -> dict[str, Any]:
        return asdict(self) | {"service_cpu_ms": self.service_cpu_ms}

    @classmethod
    def from_json(cls, value: Mapping[str, Any]) -> Self:
        return cls(**{name: item for name, item in value.items() if name != "service_cpu_ms"})


def percentile(values: Sequence[float], percent: float) -> float | None:
    """The smallest value that so many percent are not above (nearest rank); None of nothing."""
    if not values:
        return None
    rank = math.ceil(percent / 100 * len(values))
    return sorted(values)[max(rank, 1) - 1]


def each(cpu_seconds: Mapping[str, float], count: int) -> dict[str, float]:
    """Milliseconds for one, of seconds for all; nothing where nothing was done."""
    return {group: seconds * 1000 / count for group, seconds in cpu_seconds.items()} if count else {}
