"""The same operation, executed by a plan and by graphql-core."""

import asyncio
import json
from collections.abc import Awaitable
from typing import Any

import strawberry
from graphql import ExecutionResult, execute, get_operation_ast, get_variable_values, parse
from strawberry.execution.is_awaitable import optimized_is_awaitable
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext as CoreExecutor

from app.graphql.compiled import MAX_COERCION_ERRORS, Plan, compile_operation
from tests.unit.graphql.compiled.odd_schema import Clock, schema

# So many turns of the loop are enough for whatever one resolver's value leads to.
TURNS = 30
Seen = tuple[str, list[str]]


class OddContext(Clock):
    """What resolvers get: the clock, and what mutations have done in which order."""

    def __init__(self) -> None:
        super().__init__()
        self.changes: list[int] = []


def plan_of(text: str, conditions: dict[str, bool] | None = None, of: strawberry.Schema = schema) -> Plan | None:
    document = parse(text)
    operation = get_operation_ast(document)
    assert operation is not None
    return compile_operation(of, document, operation, conditions or {}, CoreExecutor)


def by_plan(text: str, variables: dict[str, Any], root: Any, context: Any) -> Any:
    document = parse(text)
    operation = get_operation_ast(document)
    assert operation is not None
    values = get_variable_values(
        schema._schema, operation.variable_definitions or (), variables, MAX_COERCION_ERRORS, hide_suggestions=True
    )
    if isinstance(values, list):
        return ExecutionResult(None, values)
    plan = plan_of(text, {name: value for name, value in values.coerced.items() if isinstance(value, bool)})
    assert plan is not None
    return plan.execute(context, root, values, hide_suggestions=True)


def by_core(text: str, variables: dict[str, Any], root: Any, context: Any) -> Any:
    return execute(
        schema._schema,
        parse(text),
        root_value=root,
        context_value=context,
        variable_values=variables,
        is_awaitable=optimized_is_awaitable,  # type: ignore[arg-type]
        executor_class=CoreExecutor,
        hide_suggestions=True,
    )


def event_by_core(text: str, variables: dict[str, Any], root: Any, context: Any) -> Any:
    """Of a subscription; the root is the event."""
    executor = CoreExecutor.build(schema._schema, parse(text), None, context, variables)
    assert isinstance(executor, CoreExecutor)
    return executor.build_per_event_executor(root).execute_operation(serially=False)


def settled(execution: Any, text: str, variables: dict[str, Any], root: Any) -> tuple[Seen, list[int]]:
    """What a client sees, and what mutations did."""

    async def run() -> tuple[Seen, list[int]]:
        context = OddContext()
        result = execution(text, variables, root, context)
        if isinstance(result, Awaitable):
            waiting = asyncio.ensure_future(result)
            while not waiting.done():
                for _ in range(TURNS):
                    await asyncio.sleep(0)
                assert context.tick() or waiting.done(), "nobody waits, and it does not end"
            result = await waiting
        # What was given up may still be running.
        for _ in range(TURNS):
            await asyncio.sleep(0)
            context.tick()
        return seen(result), context.changes

    return asyncio.run(run())


def seen(result: ExecutionResult) -> Seen:
    errors = [json.dumps(error.formatted, default=str, sort_keys=True) for error in result.errors or ()]
    return json.dumps(result.data, default=str), sorted(errors)


def both(text: str, variables: dict[str, Any] | None = None, root: Any = 0) -> tuple[Seen, list[int]]:
    """Asserts that they say the same, and gives it."""
    planned = settled(by_plan, text, variables or {}, root)
    assert planned == settled(by_core, text, variables or {}, root)
    return planned
