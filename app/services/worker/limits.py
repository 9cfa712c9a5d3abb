"""What each task of an AI worker may take at most, whatever the task says."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from app.errors import InvalidInput

MAX_COST_MICROS = 1_000_000_000
MAX_OUTPUT_TOKENS = 32_768
# Kept among the worker's parameters, where no parameter of a model has this name.
KEY = "limits"


@dataclass(frozen=True, slots=True)
class WorkerLimits:
    """None is no limit of the worker's own."""

    max_cost_micros: int | None = None
    max_output_tokens: int | None = None

    @classmethod
    def of(cls, worker: Mapping[Any, Any] | None) -> "WorkerLimits":
        """From the worker's row."""
        stored = worker["parameters"].get(KEY, {}) if worker is not None else {}
        return cls(stored.get("maxCostMicros"), stored.get("maxOutputTokens"))

    def as_json(self) -> dict[str, int]:
        values = {"maxCostMicros": self.max_cost_micros, "maxOutputTokens": self.max_output_tokens}
        return {name: value for name, value in values.items() if value is not None}

    def check(self) -> None:
        """Raises InvalidInput naming the limit."""
        for name, value, least, most in (
            ("maxCostMicros", self.max_cost_micros, 0, MAX_COST_MICROS),
            ("maxOutputTokens", self.max_output_tokens, 1, MAX_OUTPUT_TOKENS),
        ):
            if value is not None and not least <= value <= most:
                raise InvalidInput(f"{name} is {least} to {most}, not {value}.", (KEY, name))


NO_LIMITS = WorkerLimits()
