"""One execution and one encoding of an event for all subscribers who asked for the same of it.

A thousand watchers of a workspace with the same document cost one execution for each event, and a thousand sends.
"""

import asyncio
from collections.abc import Awaitable, Iterator
from typing import Any, cast

import orjson
from graphql import (
    ExecutionResult,
    FieldNode,
    FragmentSpreadNode,
    InlineFragmentNode,
    ListValueNode,
    ObjectValueNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
)
from strawberry.schema.schema import StrawberryGraphQLCoreExecutionContext

from app.graphql.task.types import TaskEvent


class SharingExecutor(StrawberryGraphQLCoreExecutionContext):
    """Strawberry's executor, which looks at what an event keeps for its other subscribers first.

    The answer depends on the document, on those variables that it uses below the root field (`after`, say, is not one
    of them), and on what the caller may see: workspace, role and scopes.
    """

    _view: tuple[Any, ...] | None = None

    def build_per_event_executor(self, payload: Any) -> Any:
        if self._view is None and isinstance(payload, TaskEvent):
            self._view = self._asked()
        return super().build_per_event_executor(payload)

    def execute_operation(self, serially: bool | None = None) -> Any:
        event = self.root_value
        if self._view is None or not isinstance(event, TaskEvent):
            return super().execute_operation(serially)
        known = event.shared.get(self._view)
        if isinstance(known, ExecutionResult):
            return known
        return self._share(event.shared, known, serially)

    async def _share(self, shared: dict[Any, Any], running: asyncio.Future[Any] | None, serially: bool | None) -> Any:
        if running is None:
            mine = shared[self._view] = asyncio.ensure_future(self._execute(serially))
            mine.add_done_callback(lambda done: _keep(shared, self._view, done))
            # One subscriber who leaves must not take the answer away from the others.
            return await asyncio.shield(mine)
        result = await asyncio.shield(running)
        # An error names the request it belongs to, so everybody gets their own.
        return result if not result.errors else await self._execute(serially)

    async def _execute(self, serially: bool | None) -> ExecutionResult:
        result = super().execute_operation(serially)
        if self.is_awaitable(result):
            result = await cast("Awaitable[ExecutionResult]", result)
        result = cast("ExecutionResult", result)
        if result.errors:
            return result
        return ExecutionResult(cast("Any", orjson.Fragment(orjson.dumps(result.data, default=str))), None)

    def _asked(self) -> tuple[Any, ...]:
        principal = self.context_value.principal
        source = self.operation.loc.source.body if self.operation.loc is not None else ""
        name = self.operation.name.value if self.operation.name is not None else ""
        names = sorted(set(self._variables(self.operation.selection_set, at_root=True)))
        values = orjson.dumps([self.variable_values.coerced.get(name) for name in names], default=str)
        return source, name, values, principal.workspace_id, principal.role, principal.scopes

    def _variables(self, selections: SelectionSetNode, *, at_root: bool) -> Iterator[str]:
        """The variables that decide what an event looks like; the root field's arguments decide which events come."""
        for node in selections.selections:
            for directive in node.directives or ():
                yield from _in_arguments(directive.arguments)
            match node:
                case FieldNode():
                    if not at_root:
                        yield from _in_arguments(node.arguments)
                    if node.selection_set is not None:
                        yield from self._variables(node.selection_set, at_root=False)
                case InlineFragmentNode():
                    yield from self._variables(node.selection_set, at_root=at_root)
                case FragmentSpreadNode():
                    fragment = self.fragments[node.name.value]
                    yield from self._variables(fragment.definition.selection_set, at_root=at_root)


def _in_arguments(arguments: Any) -> Iterator[str]:
    for argument in arguments or ():
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


def _keep(shared: dict[Any, Any], view: tuple[Any, ...] | None, done: asyncio.Future[Any]) -> None:
    """A finished answer can be taken without waiting; one with errors is not kept."""
    if done.cancelled() or done.exception() is not None or done.result().errors:
        shared.pop(view, None)
    else:
        shared[view] = done.result()
