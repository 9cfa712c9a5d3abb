"""What an operation costs its caller, told with its answer.

`extensions.cost` has Shopify's shape (shopify.dev, GraphQL Admin API rate limits), so that clients' throttlers work.
The headers are GitHub's: X-RateLimit-Reset is when all points are there again, in seconds since 1970 (UTC).
"""

import time
from collections.abc import Mapping
from contextvars import ContextVar
from math import ceil
from typing import Any

from graphql import GraphQLSchema
from strawberry.extensions import SchemaExtension

from app.graphql.context import Context
from app.graphql.guard import points
from app.graphql.spending import spent
from app.services.limit.throttle import Charge

HEADERS = ("X-RateLimit-Limit", "X-RateLimit-Remaining", "X-RateLimit-Reset")
# Of the operation that this task runs: a socket runs many, with one context.
current_charge: ContextVar[Charge | None] = ContextVar("current_charge", default=None)


def cost_extensions() -> dict[str, Any]:
    """An answer's `extensions`; empty where there is no limit. `actualQueryCost` is null where nothing was executed."""
    charge = current_charge.get()
    if charge is None:
        return {}
    status = charge.status
    throttle_status = {
        "maximumAvailable": status.limit,
        "currentlyAvailable": status.remaining,
        "restoreRate": status.restore_rate,
    }
    return {
        "cost": {
            "requestedQueryCost": charge.requested,
            "actualQueryCost": charge.actual,
            "throttleStatus": throttle_status,
        }
    }


def cost_headers() -> dict[str, str]:
    charge = current_charge.get()
    if charge is None:
        return {}
    status = charge.status
    values = (status.limit, status.remaining, ceil(time.time() + status.full_in))
    return {name: str(value) for name, value in zip(HEADERS, values, strict=True)}


def spend_all() -> None:
    """Nobody knows what was used: it counts as all that was asked for."""
    charge = current_charge.get()
    if charge is not None:
        charge.settle(charge.requested)


def report(
    schema: GraphQLSchema, query: str, name: str | None, max_tokens: int, data: Mapping[str, Any] | None
) -> dict[str, Any]:
    """Give back what was not used when a query or mutation has been executed, and tell what is left."""
    charge = current_charge.get()
    if charge is not None and charge.actual is None:
        used = spent(schema, query, name, max_tokens, data) if data is not None else 0
        charge.settle(points(used))
    return cost_extensions()


class CostReport(SchemaExtension):
    """The same for what Strawberry executes."""

    def get_results(self) -> dict[str, Any]:
        execution = self.execution_context
        data = getattr(execution.result, "data", None) if execution.query is not None else None
        context = execution.context
        assert isinstance(context, Context)
        limit = context.resources.query_limits.tokens
        name = execution._provided_operation_name
        return report(execution.schema._schema, execution.query or "", name, limit, data)
