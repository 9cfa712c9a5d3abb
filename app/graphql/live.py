"""Subscriptions: one execution and one encoding of an event for all who asked for the same of it.

A thousand watchers of a workspace with the same document cost one execution for each event, and a thousand sends. The
steps are those of the specification: CreateSourceEventStream through graphql-core, ExecuteSubscriptionEvent by a plan
where there is one.
"""

import asyncio
from collections.abc import AsyncGenerator, Iterator
from contextlib import aclosing
from typing import Any, cast

import orjson
from graphql import (
    DirectiveNode,
    ExecutionResult,
    Executor,
    FieldNode,
    FragmentSpreadNode,
    GraphQLError,
    InlineFragmentNode,
    ListValueNode,
    ObjectValueNode,
    OperationType,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    create_source_event_stream,
    located_error,
)

from app.graphql.compiled import Plan
from app.graphql.context import Context
from app.graphql.cost import cost_extensions, spend_all
from app.graphql.documents import operation_of, parse_document, problems
from app.graphql.errors import publish
from app.graphql.executor import Executor as OwnExecutor
from app.graphql.schema import schema
from app.graphql.task.types import TaskEvent

# graphql-core's, which Strawberry keeps to itself.
_SCHEMA = schema._schema


class NotStarted(Exception):
    """The request cannot be executed; nothing was sent. `errors` are fit to be seen."""

    def __init__(self, errors: list[GraphQLError]) -> None:
        self.errors = errors
        super().__init__(errors[0].message)


def is_subscription(query: str, operation_name: str | None, context: Context) -> bool:
    operation = operation_of(query, operation_name, context.resources.query_limits)
    return operation is not None and operation.operation is OperationType.SUBSCRIPTION


async def subscribe(
    query: str, variables: dict[str, Any] | None, operation_name: str | None, context: Context
) -> AsyncGenerator[bytes, None]:
    """The result of each event as JSON, `{"data": …}`. Raises NotStarted before the first.

    A source that fails ends the stream with a last result that has `errors`.
    """
    executor = _executor(query, variables, operation_name, context)
    source = create_source_event_stream(executor)
    if executor.is_awaitable(source):
        source = await source
    if isinstance(source, ExecutionResult):
        raise NotStarted(_published(source.errors or [], context))
    sharing = _Sharing(executor, query, _plan(executor, query, operation_name, context))
    spend_all()
    told = cost_extensions()
    async with aclosing(cast("AsyncGenerator[Any, None]", source)) as events:
        while True:
            try:
                event = await anext(events)
            except StopAsyncIteration:
                return
            except Exception as error:
                yield _failed(error, executor, context)
                return
            result = await sharing.result(event)
            # Events are free, and their encoding is shared: what it costs to watch is told with the first.
            yield _with_extensions(result, told) if told else result
            told = {}


def _executor(
    query: str, variables: dict[str, Any] | None, operation_name: str | None, context: Context
) -> Executor[Any]:
    limits = context.resources.query_limits
    found = problems(_SCHEMA, query, operation_name, variables, limits, context.disclosure)
    built = found or OwnExecutor.build(
        _SCHEMA,
        parse_document(query, limits.tokens),
        context_value=context,
        raw_variable_values=variables,
        operation_name=operation_name,
        operation_extensions=None,
    )
    if isinstance(built, list):
        raise NotStarted(_published(built, context))
    return built


def _plan(executor: Executor[Any], query: str, operation_name: str | None, context: Context) -> Plan | None:
    if not context.resources.settings.bizq_compiled_execution:
        return None
    tokens = context.resources.query_limits.tokens
    return schema.plan(query, operation_name, tokens, executor.variable_values.coerced)


class _Sharing:
    """The results of one subscription, which it shares with others that asked the same.

    What an event looks like depends on the document, on those variables that are used below the root field (`after`,
    say, is not one of them), and on what the caller may see: workspace, role and scopes.
    """

    def __init__(self, executor: Executor[Any], query: str, plan: Plan | None) -> None:
        self._executor = executor
        self._plan = plan
        self._context = cast("Context", executor.context_value)
        names = sorted(set(_variables(executor, executor.operation.selection_set, at_root=True)))
        values = orjson.dumps([executor.variable_values.coerced.get(name) for name in names], default=str)
        operation = executor.operation.name
        self._asked = (query, operation.value if operation is not None else None, values)

    async def result(self, event: Any) -> bytes:
        if not isinstance(event, TaskEvent):
            return _encoded(await self._finished(self._begun(event)))
        principal = self._context.principal
        view = (self._asked, principal.workspace_id, principal.role, principal.scopes)
        known = event.shared.get(view)
        if isinstance(known, bytes):
            return known
        if known is None:
            known = self._begun(event)
            if self._executor.is_awaitable(known):
                known = event.shared[view] = asyncio.ensure_future(self._finished(known))
        # One subscriber who leaves must not take the answer away from the others.
        result = await asyncio.shield(known) if isinstance(known, asyncio.Future) else await self._finished(known)
        if result.errors:
            # An error names the request it belongs to, so everybody gets their own.
            event.shared.pop(view, None)
            return _encoded(await self._finished(self._begun(event)))
        encoded = event.shared.get(view)
        if not isinstance(encoded, bytes):
            encoded = event.shared[view] = _encoded(result)
        return encoded

    def _begun(self, event: Any) -> Any:
        """The result, or an awaitable of it where a field has to be looked up."""
        executor = self._executor
        if self._plan is not None:
            hidden = executor.hide_suggestions
            return self._plan.execute(self._context, event, executor.variable_values, hide_suggestions=hidden)
        executor = executor.build_per_event_executor(event)
        # graphql-core 3.3.2 keeps what it found out about each event's fields here for all events, and forgets nothing.
        executor._relevant_sub_fields = {}
        return executor.execute_operation(serially=False)

    async def _finished(self, begun: Any) -> ExecutionResult:
        result = cast("ExecutionResult", await begun if self._executor.is_awaitable(begun) else begun)
        if result.errors:
            _published(result.errors, self._context)
        return result


def _encoded(result: ExecutionResult) -> bytes:
    body: dict[str, Any] = {"data": result.data}
    if result.errors:
        body["errors"] = [error.formatted for error in result.errors]
    return orjson.dumps(body, default=str)


def _with_extensions(result: bytes, extensions: dict[str, Any]) -> bytes:
    return b'%b,"extensions":%b}' % (result.removesuffix(b"}"), orjson.dumps(extensions))


def _failed(error: Exception, executor: Executor[Any], context: Context) -> bytes:
    """A stream that breaks off says why, at its root field."""
    node = executor.operation.selection_set.selections[0]
    path = [node.alias.value if node.alias else node.name.value] if isinstance(node, FieldNode) else None
    located = located_error(error, [node], path)
    return _encoded(ExecutionResult(None, _published([located], context)))


def _published(errors: list[GraphQLError], context: Context) -> list[GraphQLError]:
    for error in errors:
        publish(error, context.request_id)
    return errors


def _variables(executor: Executor[Any], selections: SelectionSetNode, *, at_root: bool) -> Iterator[str]:
    """The variables that decide what an event looks like; the root field's arguments decide which events come."""
    for node in selections.selections:
        for directive in node.directives or ():
            yield from _in_arguments(directive)
        match node:
            case FieldNode():
                if not at_root:
                    yield from _in_arguments(node)
                if node.selection_set is not None:
                    yield from _variables(executor, node.selection_set, at_root=False)
            case InlineFragmentNode():
                yield from _variables(executor, node.selection_set, at_root=at_root)
            case FragmentSpreadNode():
                definition = executor.fragments[node.name.value].definition
                yield from _variables(executor, definition.selection_set, at_root=at_root)


def _in_arguments(node: FieldNode | DirectiveNode) -> Iterator[str]:
    for argument in node.arguments or ():
        yield from _in_value(argument.value)


def _in_value(value: ValueNode) -> Iterator[str]:
    match value:
        case VariableNode():
            yield value.name.value
        case ListValueNode():
            for item in value.values:
                yield from _in_value(item)
        case ObjectValueNode():
            for field in value.fields:
                yield from _in_value(field.value)
