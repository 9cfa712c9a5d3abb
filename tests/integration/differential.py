"""Whatever query the tests send is executed twice: by its plan, and by graphql-core. Both have to say the same."""

import json
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from typing import Any

from graphql import GraphQLError, OperationType
from strawberry.types.execution import ExecutionResult

from app.graphql.context import Context
from app.graphql.documents import operation_of
from app.graphql.planned import PlannedSchema, Request

# Something may change between the two executions: they have as many chances to agree.
ATTEMPTS = 3


class Differential:
    """Of one test. `compared` counts the queries, `differences` tells what the two did not agree on."""

    def __init__(self) -> None:
        self.compared = 0
        self.differences: list[str] = []
        self._paused = False
        self._by_plan = PlannedSchema.by_plan

    @contextmanager
    def paused(self) -> Iterator[None]:
        self._paused = True
        yield
        self._paused = False

    async def by_plan(self, schema: PlannedSchema, request: Request) -> ExecutionResult | None:
        """Takes the place of the schema's own."""
        result = await self._by_plan(schema, request)
        if result is not None and not self._paused and _is_query(request):
            await self._compare(schema, request, result)
        return result

    async def _compare(self, schema: PlannedSchema, request: Request, planned: ExecutionResult | None) -> None:
        # One request never holds two connections.
        await request.context.close()
        self.compared += 1
        for _ in range(ATTEMPTS):
            async with _again(request) as again:
                expected = await schema.by_strawberry(again)
            if planned is not None and seen(planned) == seen(expected):
                return
            told = f"{request.query}\n{request.variables}\nplan: {seen(planned)}\ngraphql-core: {seen(expected)}"
            async with _again(request) as again:
                planned = await self._by_plan(schema, again)
        self.differences.append(told)


class _again:
    """The request with a context of its own, as resolvers remember in it what they have loaded."""

    def __init__(self, request: Request) -> None:
        old = request.context
        self._context = Context(old.resources, old.request_id, live=not old._keep)
        self._context.enter(old.caller)
        self._request = replace(request, context=self._context)

    async def __aenter__(self) -> Request:
        return self._request

    async def __aexit__(self, *_: object) -> None:
        await self._context.end()


def _is_query(request: Request) -> bool:
    assert request.query is not None
    operation = operation_of(request.query, request.name, request.context.resources.query_limits)
    return operation is not None and operation.operation is OperationType.QUERY


def seen(result: ExecutionResult | None) -> tuple[str, Counter[str]] | None:
    """What a client can tell results apart by: data with its order, errors in any order."""
    if result is None:
        return None
    return json.dumps(result.data, default=str), Counter(_seen(error) for error in result.errors or ())


def _seen(error: GraphQLError) -> str:
    formatted: dict[str, Any] = dict(error.formatted)
    formatted["code"] = (formatted.pop("extensions", None) or {}).get("code")
    return json.dumps(formatted, default=str, sort_keys=True)
