"""Which of a task's models is asked now, and which are left: its routing decision, as it is followed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

from app.providers.errors import ProviderError
from app.services.routing.decide import Candidate


@dataclass(frozen=True, slots=True)
class Route:
    """`stored` is the decision in the task's row, whose provider and model are those of `candidate`. `may_pass`: what
    was wrong with an earlier one may be over soon."""

    stored: Mapping[str, Any]
    candidate: Candidate
    others: tuple[Candidate, ...]
    may_pass: bool = False

    @classmethod
    def of(cls, task: Mapping[Any, Any]) -> "Route":
        """From the first candidate on: what was wrong with it in an earlier try may be over."""
        stored = task["routing"]
        first, *others = (Candidate.from_json(each) for each in stored["candidates"])
        return cls(stored, first, tuple(others))

    def next(self, error: ProviderError) -> "Route":
        """After this one failed so."""
        reason = f"{self.candidate.ref} failed ({error.reason}): {self.others[0].ref} goes on"
        stored = {**self.stored, "reasons": [*self.stored["reasons"], reason]}
        may_pass = self.may_pass or error.retryable
        return replace(self, stored=stored, candidate=self.others[0], others=self.others[1:], may_pass=may_pass)

    def as_json(self) -> dict[str, Any]:
        before = {name: value for name, value in self.stored.items() if name != "connection"}
        return {
            **before,
            "provider": self.candidate.provider,
            "model": self.candidate.model,
            "tier": self.candidate.tier,
            "fallbacks": [other.ref for other in self.others],
            **self.candidate.connection_json(),
        }
