"""A compiled operation, and how it is executed."""

from collections.abc import Awaitable, Mapping
from dataclasses import dataclass
from typing import Any, cast

from graphql import (
    ExecutionResult,
    GraphQLError,
    GraphQLSchema,
    OperationDefinitionNode,
    default_field_resolver,
    default_type_resolver,
)
from graphql import Executor as GraphQLExecutor
from graphql.execution.collect_fields import FragmentDetails
from graphql.execution.values import VariableValues
from strawberry.execution.is_awaitable import optimized_is_awaitable

from app.graphql.compiled.completion import Select
from app.graphql.compiled.run import Run

# graphql-core's default, for `get_variable_values`.
MAX_COERCION_ERRORS = 50


@dataclass(frozen=True, slots=True, eq=False)
class Plan:
    """Good for every execution of the operation in which the same fields are skipped."""

    schema: GraphQLSchema
    operation: OperationDefinitionNode
    fragments: Mapping[str, FragmentDetails]
    executor_class: type[GraphQLExecutor[Any]]
    # One after the other, each with all that it leads to: a mutation's fields, or all of a query's at once.
    steps: tuple[Select, ...]
    # How many fields were compiled, for each type that they can be of.
    members: int

    def execute(
        self, context: Any, root: Any, variables: VariableValues, *, hide_suggestions: bool
    ) -> ExecutionResult | Awaitable[ExecutionResult]:
        """An awaitable only where something has to be waited for. Never raises what a field's code raises."""
        run = Run(self, context, root, variables, hide_suggestions=hide_suggestions)
        return self._from(run, 0)

    def _from(self, run: Run, first: int) -> ExecutionResult | Awaitable[ExecutionResult]:
        for number in range(first, len(self.steps)):
            self._begin(run, number)
            if run.pending:
                return self._later(run, number)
            if run.nothing:
                break
        return run.outcome()

    def _begin(self, run: Run, number: int) -> None:
        try:
            part = self.steps[number](run, run.root, None)
        except GraphQLError as error:
            run.nothing_left(error)
        else:
            run.parts.append(part)

    async def _later(self, run: Run, number: int) -> ExecutionResult:
        while True:
            await run.settle()
            number += 1
            if run.nothing or number == len(self.steps):
                return run.outcome()
            self._begin(run, number)

    def executor(self, run: Run) -> GraphQLExecutor[Any]:
        """graphql-core's, as it would be at this point of the run."""
        return self.executor_class(
            self.schema,
            {name: fragment.definition for name, fragment in self.fragments.items()},
            dict(self.fragments),
            run.root,
            run.context,
            self.operation,
            run.variables,
            default_field_resolver,
            default_type_resolver,
            default_field_resolver,
            is_awaitable=cast("Any", optimized_is_awaitable),
            hide_suggestions=run.hide_suggestions,
        )
