"""What a workspace has said about routing and money, and what it brings itself, as far as a decision depends on it."""

from dataclasses import dataclass
from uuid import UUID

from app.db.hot import Row
from app.services.routing.decide import Policy
from app.services.routing.own import OwnConnection, OwnConnections

MAX_MODELS = 20


@dataclass(frozen=True, slots=True)
class Standing:
    """`passed` names whose soft budgets are used up: workers, templates, API keys, or None for the whole workspace."""

    policy: Policy
    passed: frozenset[UUID | None]
    own: OwnConnections

    def budget_passed(self, *whose: UUID | None) -> bool:
        return not self.passed.isdisjoint({None, *whose})


def standing_of(row: Row) -> Standing:
    """From a row of the database's function `task_terms`."""
    providers = frozenset(row["providers"]) if row["providers"] else None
    own = OwnConnections([OwnConnection.from_json(each) for each in row["own"] or ()])
    policy = Policy(row["models"] or (), row["cells"] or {}, providers)
    return Standing(policy, frozenset(row["passed"] or ()), own)
