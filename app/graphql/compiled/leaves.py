"""Scalars and enums. What is already as the answer has it goes straight through; graphql-core judges all the rest."""

from collections.abc import Callable
from typing import Any, NamedTuple

from graphql import (
    Executor,
    GraphQLBoolean,
    GraphQLEnumType,
    GraphQLID,
    GraphQLInt,
    GraphQLLeafType,
    GraphQLString,
    Undefined,
)
from graphql.type.scalars import GRAPHQL_MAX_INT, GRAPHQL_MIN_INT
from strawberry.schema.schema_converter import CustomGraphQLEnumType

from app.graphql.compiled.errors import Frame
from app.graphql.compiled.run import Complete, Run

# What graphql-core and Strawberry would do, or None where they have to be asked.
Quick = Callable[[Any], Any]


class Leaf(NamedTuple):
    """Values whose class is `exact` are themselves the answer."""

    exact: type | None
    quick: Quick | None
    complete: Complete


def leaf(kind: GraphQLLeafType) -> Leaf:
    exact: type | None = None
    quick: Quick | None = None
    if kind is GraphQLString or kind is GraphQLID:
        exact = str
    elif kind is GraphQLBoolean:
        exact = bool
    elif kind is GraphQLInt:
        quick = _quick_int
    elif isinstance(kind, CustomGraphQLEnumType):
        quick = _quick_enum(kind)

    def complete(run: Run, value: Any, frame: Frame) -> Any:
        if isinstance(value, Exception):
            raise value
        if value is None or value is Undefined:
            return None
        return Executor.complete_leaf_value(kind, value)

    return Leaf(exact, quick, complete)


def _quick_int(value: Any) -> int | None:
    return value if type(value) is int and GRAPHQL_MIN_INT <= value <= GRAPHQL_MAX_INT else None


def _quick_enum(kind: CustomGraphQLEnumType) -> Quick | None:
    python = kind.wrapped_cls
    names: dict[Any, str] = {}
    for name, value in _values(kind):
        if type(value) is not str:
            return None
        names.setdefault(value, name)
    return lambda value: names.get(value._value_) if type(value) is python else None


def _values(kind: GraphQLEnumType) -> list[tuple[str, Any]]:
    return [(name, value.value) for name, value in kind.values.items()]
