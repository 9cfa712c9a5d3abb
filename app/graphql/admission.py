"""What every transport asks before it executes an operation: that its caller has the points for it."""

from collections.abc import Mapping
from typing import Any

from graphql import GraphQLError

from app.graphql import documents
from app.graphql.context import Context, Resources
from app.graphql.cost import current_charge
from app.graphql.errors import publish
from app.graphql.guard import QueryTooComplex
from app.graphql.schema import schema
from app.principal import Person, Principal, client_address
from app.services.limit.throttle import LargerThanBucket, Throttled


async def admit(context: Context, query: str, name: str | None, variables: Mapping[str, Any] | None) -> None:
    """Take what the operation costs. Raises Throttled, or QueryTooComplex where waiting would not help."""
    resources = context.resources
    price = documents.price(schema._schema, query, name, variables, resources.query_limits)
    await _take(resources, context.caller, price)


async def admit_refused(resources: Resources) -> None:
    """What is not executed costs a point: of its address, where nobody knows its caller yet. Raises Throttled."""
    if current_charge.get() is None:
        await _take(resources, None, 1)
    if (charge := current_charge.get()) is not None:
        charge.settle(0)


def as_graphql_error(refused: Throttled | QueryTooComplex, context: Context) -> GraphQLError:
    """For transports whose answers to an operation are GraphQL's own."""
    error = GraphQLError(refused.message, original_error=refused)
    publish(error, context.request_id)
    return error


async def _take(resources: Resources, caller: Principal | Person | None, points: int) -> None:
    try:
        charge = await resources.throttle.charge(caller, client_address.get(), points)
    except Throttled as refused:
        current_charge.set(refused.charge)
        raise
    except LargerThanBucket as refused:
        current_charge.set(refused.charge)
        limit, cost = refused.limit, refused.actual
        raise QueryTooComplex(refused.message, name="maximumAvailable", limit=limit, actual=cost) from None
    current_charge.set(charge)
