"""What a workspace has said about routing and money, and what it brings itself, as far as a decision depends on it."""

from dataclasses import dataclass
from uuid import UUID

from app.db.hot import Row
from app.services.routing.decide import Policy
from app.services.routing.own import OwnConnection, OwnConnections

MAX_MODELS = 20
# Of the present workspace, for whoever reads more of it in the same statement.
COLUMNS = """p.models, p.cells, p.providers, (
        SELECT array_agg(b.scope_id) FROM budgets b
        JOIN budget_usage u ON u.budget_id = b.id AND u.starts_on = budget_period_start(b.period)
        WHERE b.workspace_id = (SELECT current_workspace_id()) AND u.used_micros >= b.soft_micros
    ) AS passed, (
        SELECT jsonb_agg(jsonb_build_object(
            'id', c.id, 'name', c.name, 'provider', c.provider, 'model', c.model,
            'context_tokens', c.context_tokens, 'max_output_tokens', c.max_output_tokens) ORDER BY c.id)
        FROM provider_connections c WHERE c.workspace_id = (SELECT current_workspace_id()) AND c.enabled
    ) AS own"""
FROM = "(SELECT 1) AS one LEFT JOIN routing_policies p ON p.workspace_id = (SELECT current_workspace_id())"


@dataclass(frozen=True, slots=True)
class Standing:
    """`passed` names whose soft budgets are used up: workers, templates, API keys, or None for the whole workspace."""

    policy: Policy
    passed: frozenset[UUID | None]
    own: OwnConnections

    def budget_passed(self, *whose: UUID | None) -> bool:
        return not self.passed.isdisjoint({None, *whose})


def standing_of(row: Row) -> Standing:
    """From a row with the columns above."""
    providers = frozenset(row["providers"]) if row["providers"] else None
    own = OwnConnections([OwnConnection.from_json(each) for each in row["own"] or ()])
    policy = Policy(row["models"] or (), row["cells"] or {}, providers)
    return Standing(policy, frozenset(row["passed"] or ()), own)
