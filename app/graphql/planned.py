"""The schema as it is executed: by a plan where there is one, else by Strawberry. The answers are the same."""

from collections.abc import AsyncGenerator, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import strawberry
from graphql import (
    DirectiveNode,
    DocumentNode,
    GraphQLError,
    GraphQLSyntaxError,
    OperationDefinitionNode,
    OperationType,
    VariableNode,
    Visitor,
    get_operation_ast,
    visit,
)
from graphql import ExecutionResult as Executed
from graphql.execution.values import VariableValues, get_variable_values
from strawberry.types.execution import ExecutionContext, ExecutionResult
from strawberry.types.graphql import OperationType as StrawberryOperationType

from app.graphql.compiled import MAX_COERCION_ERRORS, Plan, compile_operation
from app.graphql.context import Context
from app.graphql.cost import report
from app.graphql.documents import Memory, parse_document, problems, remembered
from app.graphql.errors import publish
from app.graphql.guard import QueryTooComplex

# Fields of all plans that are kept, together: each is some 25 objects, which full collections of garbage walk over.
CACHED_MEMBERS = 10_000
# What a plan weighs beside its fields.
_KEPT_ALONE = 5
_CONDITIONAL = ("skip", "include")
_NO_VARIABLES = VariableValues({}, {})


@dataclass(frozen=True, slots=True)
class Request:
    """What is asked for, by whom; `allowed` are the kinds of operation that the transport takes."""

    query: str | None
    variables: dict[str, Any] | None
    name: str | None
    context: Any
    root: Any
    allowed: Iterable[StrawberryOperationType] | None


class PlannedSchema(strawberry.Schema):
    """Strawberry's, which is asked for whatever is refused, and for what no plan understands."""

    async def execute(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        allowed_operation_types: Iterable[StrawberryOperationType] | None = None,
        operation_extensions: dict[str, Any] | None = None,
    ) -> ExecutionResult:
        """Raises what Strawberry raises for an operation that the transport does not take."""
        allowed = tuple(allowed_operation_types) if allowed_operation_types is not None else None
        request = Request(query, variable_values, operation_name, context_value, root_value, allowed)
        result = await self.by_plan(request)
        return result if result is not None else await self.by_strawberry(request)

    async def stream(
        self,
        query: str | None,
        variable_values: dict[str, Any] | None = None,
        context_value: Any | None = None,
        root_value: Any | None = None,
        operation_name: str | None = None,
        operation_extensions: dict[str, Any] | None = None,
        allowed_operation_types: Iterable[StrawberryOperationType] | None = None,
    ) -> AsyncGenerator[Any, None]:
        """What a socket asks for: one result of a query or mutation."""
        allowed = tuple(allowed_operation_types) if allowed_operation_types is not None else None
        request = Request(query, variable_values, operation_name, context_value, root_value, allowed)
        result = await self.by_plan(request)
        if result is not None:
            return _only(result)
        return await super().stream(
            query, variable_values, context_value, root_value, operation_name, operation_extensions, allowed
        )

    def process_errors(self, errors: list[GraphQLError], execution_context: ExecutionContext | None = None) -> None:
        """Strawberry calls this for the errors of every answer that it gives."""
        context = execution_context.context if execution_context is not None else None
        for error in errors:
            publish(error, context.request_id if isinstance(context, Context) else "")

    async def by_strawberry(self, request: Request) -> ExecutionResult:
        return await super().execute(
            request.query, request.variables, request.context, request.root, request.name, request.allowed
        )

    async def by_plan(self, request: Request) -> ExecutionResult | None:
        """None where it is Strawberry's: nothing has been executed then."""
        context, query = request.context, request.query
        if not isinstance(context, Context) or not query or not context.resources.settings.bizq_compiled_execution:
            return None
        limits = context.resources.query_limits
        operation = _operation(query, request.name, limits.tokens)
        if operation is None or operation.operation is OperationType.SUBSCRIPTION:
            return None
        if request.allowed is not None and StrawberryOperationType(operation.operation.value) not in request.allowed:
            return None
        if problems(self._schema, query, request.name, request.variables, limits, context.disclosure):
            return None
        result = self._begun(operation, query, request, context)
        if result is None:
            return None
        if not isinstance(result, Executed):
            result = await result
        for error in result.errors or ():
            publish(error, context.request_id)
        extensions = report(self._schema, query, request.name, limits.tokens, result.data)
        return ExecutionResult(result.data, result.errors, extensions)

    def _begun(self, operation: OperationDefinitionNode, query: str, request: Request, context: Context) -> Any:
        """The result, an awaitable of it, or None without a plan."""
        tokens = context.resources.query_limits.tokens
        hidden = not context.disclosure.suggestions
        variables: VariableValues | list[GraphQLError] = _NO_VARIABLES
        if operation.variable_definitions:
            variables = get_variable_values(
                self._schema, operation.variable_definitions, request.variables or {}, MAX_COERCION_ERRORS, hidden
            )
        if isinstance(variables, list):
            return Executed(None, variables)
        plan = self.plan(query, request.name, tokens, variables.coerced)
        return plan.execute(context, request.root, variables, hide_suggestions=hidden) if plan is not None else None

    def plan(self, query: str, name: str | None, max_tokens: int, variables: Mapping[str, Any]) -> Plan | None:
        """For a document that is valid, with these variables, coerced."""
        conditions = tuple((each, variables.get(each)) for each in _conditions(query, max_tokens))
        if not all(isinstance(value, bool) for _, value in conditions):
            return None
        return _PLANS.result((self, query, name, max_tokens, conditions))


async def _only(result: ExecutionResult) -> AsyncGenerator[ExecutionResult, None]:
    yield result


def _operation(query: str, name: str | None, max_tokens: int) -> OperationDefinitionNode | None:
    try:
        return get_operation_ast(parse_document(query, max_tokens), name)
    except (GraphQLSyntaxError, QueryTooComplex):
        return None


def _plan(
    schema: PlannedSchema, text: str, name: str | None, max_tokens: int, conditions: tuple[tuple[str, Any], ...]
) -> Plan | None:
    document = parse_document(text, max_tokens)
    operation = get_operation_ast(document, name)
    assert operation is not None
    executor = schema.execution_context_class
    assert executor is not None
    return compile_operation(schema, document, operation, dict(conditions), executor)


def _weight(args: tuple[Any, ...], plan: Plan | None) -> int:
    return _KEPT_ALONE + (plan.members if plan is not None else 0)


_PLANS = Memory(CACHED_MEMBERS, _plan, _weight)


@remembered
def _conditions(text: str, max_tokens: int) -> tuple[str, ...]:
    """The variables that decide which fields are executed."""
    return _conditions_of(parse_document(text, max_tokens))


def _conditions_of(document: DocumentNode) -> tuple[str, ...]:
    finder = _Finder()
    visit(document, finder)
    return tuple(sorted(finder.names))


class _Finder(Visitor):
    def __init__(self) -> None:
        super().__init__()
        self.names: set[str] = set()

    def enter_directive(self, node: DirectiveNode, *_: Any) -> None:
        if node.name.value in _CONDITIONAL:
            values = [argument.value for argument in node.arguments or ()]
            self.names.update(value.name.value for value in values if isinstance(value, VariableNode))
