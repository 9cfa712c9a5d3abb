"""How a resolver's value becomes a part of the answer: graphql-core's `complete_value`, decided once for each field."""

from collections.abc import Callable, Iterator
from typing import Any, NamedTuple

from graphql import (
    GraphQLError,
    GraphQLInterfaceType,
    GraphQLObjectType,
    Undefined,
)
from graphql.execution.executor import invalid_return_type_error
from graphql.pyutils import is_iterable
from strawberry.execution.is_awaitable import optimized_is_awaitable as is_awaitable
from strawberry.types.cast import TYPE_CAST_ATTRIBUTE

from app.graphql.compiled.errors import Frame
from app.graphql.compiled.info import Site, raw_info
from app.graphql.compiled.leaves import Leaf
from app.graphql.compiled.run import Complete, Pending, Run, discard

# Gives what a field of an object gives: `(run, object or what was read from it, the object's position, its dict)`.
Execute = Callable[[Run, Any, Frame | None, dict[str, Any]], Any]
# The answer's part for an object at a position; None is the root's.
Select = Callable[[Run, Any, Frame | None], dict[str, Any]]


class Member(NamedTuple):
    """A field within an object. With `attribute` it is read from there, and executed if its class is not `exact`."""

    name: str
    attribute: str | None
    exact: type | None
    execute: Execute


def non_null(inner: Complete, site: Site) -> Complete:
    message = f"Cannot return null for non-nullable field {site.parent}.{site.nodes[0].name.value}."

    def complete(run: Run, value: Any, frame: Frame) -> Any:
        completed = inner(run, value, frame)
        if completed is None:
            raise TypeError(message)
        return completed

    return complete


def list_of(inner: Complete, leaf: Leaf | None, nullable: bool, site: Site) -> Complete:
    """`leaf` is what the items are, unless they are objects or lists; `nullable` whether one may be null."""
    exact = leaf.exact if leaf is not None else None
    nodes = site.nodes

    def complete(run: Run, value: Any, frame: Frame) -> Any:
        if type(value) is not list:
            if _is_null(value):
                return None
            if hasattr(value, "__aiter__"):
                run.pending.append(Pending(_collected(value), frame, complete, nodes))
                return []
            _check_list(value, site)
        result: list[Any] = []
        items = iter(value)
        for item in items:
            if exact is not None and type(item) is exact:
                result.append(item)
                continue
            position = (frame, len(result), result, nullable)
            if is_awaitable(item):
                run.pending.append(Pending(item, position, inner, nodes))
                result.append(None)
                continue
            try:
                completed = inner(run, item, position)
            except Exception as error:
                completed = None
                if not nullable:
                    _discard_rest(items)
                run.failed(error, nodes, position)
            result.append(completed)
        return result

    return complete


def _is_null(value: Any) -> bool:
    """Raises a value that is an exception, as graphql-core does."""
    if isinstance(value, Exception):
        raise value
    return value is None or value is Undefined


def _check_list(value: Any, site: Site) -> None:
    if not is_iterable(value):
        field = f"{site.parent}.{site.nodes[0].name.value}"
        raise GraphQLError(f"Expected Iterable, but did not find one for field '{field}'.")


async def _collected(values: Any) -> list[Any]:
    return [value async for value in values]


def _discard_rest(items: Iterator[Any]) -> None:
    for item in items:
        if is_awaitable(item):
            discard(item)


def selection(members: tuple[Member, ...]) -> Select:
    """All that is selected of an object, whatever it is."""

    def select(run: Run, value: Any, frame: Frame | None) -> dict[str, Any]:
        result: dict[str, Any] = {}
        for name, attribute, exact, execute in members:
            if attribute is None:
                result[name] = execute(run, value, frame, result)
                continue
            try:
                found = getattr(value, attribute)
            except Exception as error:
                # Completing it raises it, as graphql-core does with what a resolver returns.
                found = error
            result[name] = found if type(found) is exact else execute(run, found, frame, result)
        return result

    return select


def object_of(kind: GraphQLObjectType, trusted: type | None, select: Select, site: Site) -> Complete:
    """Instances of `trusted` are known to be of this type."""
    is_type_of = kind.is_type_of
    checked = is_type_of is not None

    def complete(run: Run, value: Any, frame: Frame) -> Any:
        if type(value) is not trusted or (checked and hasattr(value, TYPE_CAST_ATTRIBUTE)):
            if _is_null(value):
                return None
            if is_type_of is not None and not is_type_of(value, raw_info(run, site, frame)):
                raise invalid_return_type_error(kind, value, site.details)
        return select(run, value, frame)

    return complete


def interface_of(
    kind: GraphQLInterfaceType, by_class: dict[type, Complete], by_name: dict[str, Complete], site: Site
) -> Complete:
    """The classes are those whose instances are known to be of one type; Strawberry finds out about others."""

    def complete(run: Run, value: Any, frame: Frame) -> Any:
        known = by_class.get(type(value))
        if known is not None and not hasattr(value, TYPE_CAST_ATTRIBUTE):
            return known(run, value, frame)
        if _is_null(value):
            return None
        info = raw_info(run, site, frame)
        assert kind.resolve_type is not None
        name = kind.resolve_type(value, info, kind)
        runtime = run.executor.ensure_valid_runtime_type(name, kind, site.details, info, value)
        return by_name[runtime.name](run, value, frame)

    return complete
