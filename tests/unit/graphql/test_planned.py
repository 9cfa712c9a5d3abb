"""The real schema has a plan for whatever it is asked."""

from typing import Any

import pytest
from graphql import GraphQLField, GraphQLObjectType, get_named_type, is_interface_type, is_leaf_type

from app.graphql.planned import CACHED_MEMBERS
from app.graphql.schema import schema

TYPES = schema._schema
DEPTH = 4


def selected(kind: Any, depth: int) -> str:
    """All of a type's fields, and of those the fields, and so on."""
    parts = ["__typename", *(of(name, field, depth) for name, field in kind.fields.items())]
    if is_interface_type(kind):
        parts += [
            f"... on {possible} {{ {selected(possible, depth - 1)} }}" for possible in TYPES.get_possible_types(kind)
        ]
    return " ".join(part for part in parts if part)


def of(name: str, field: GraphQLField, depth: int) -> str:
    kind = get_named_type(field.type)
    if is_leaf_type(kind):
        return name
    return f"{name} {{ {selected(kind, depth - 1)} }}" if depth > 0 else ""


def fields(root: GraphQLObjectType | None) -> list[str]:
    assert root is not None
    return list(root.fields)


@pytest.mark.parametrize("name", fields(TYPES.query_type))
def test_every_query_has_a_plan(name: str) -> None:
    assert TYPES.query_type is not None
    text = f"{{ {of(name, TYPES.query_type.fields[name], 3)} }}"
    assert schema.plan(text, None, 100_000, {}) is not None


@pytest.mark.parametrize("name", fields(TYPES.mutation_type))
def test_every_mutation_has_a_plan(name: str) -> None:
    assert TYPES.mutation_type is not None
    text = f"mutation {{ {of(name, TYPES.mutation_type.fields[name], DEPTH)} }}"
    assert schema.plan(text, None, 100_000, {}) is not None


@pytest.mark.parametrize("name", fields(TYPES.subscription_type))
def test_every_subscription_has_a_plan_for_its_events(name: str) -> None:
    assert TYPES.subscription_type is not None
    text = f"subscription {{ {of(name, TYPES.subscription_type.fields[name], 3)} }}"
    assert schema.plan(text, None, 100_000, {}) is not None


def test_a_plan_is_made_once_for_each_set_of_conditions() -> None:
    text = "query($more: Boolean!) { viewer { role @include(if: $more) scopes @skip(if: $more) } }"
    with_more, without = (schema.plan(text, None, 2_000, {"more": more}) for more in (True, False))
    assert with_more is not None
    assert with_more is not without
    assert schema.plan(text, None, 2_000, {"more": True, "other": 1}) is with_more


def test_plans_that_were_not_used_for_long_are_forgotten() -> None:
    first = schema.plan("{ viewer { role } }", None, 2_000, {})
    assert schema.plan("{ viewer { role } }", None, 2_000, {}) is first
    for number in range(CACHED_MEMBERS // 2):
        schema.plan(f"{{ a{number}: viewer {{ role }} }}", None, 2_000, {})
    assert schema.plan("{ viewer { role } }", None, 2_000, {}) is not first


@pytest.mark.parametrize("variables", [{}, {"more": None}])
def test_a_condition_without_a_value_is_left_to_graphql_core(variables: dict[str, Any]) -> None:
    text = "query($more: Boolean = null) { viewer { role @include(if: $more) } }"
    assert schema.plan(text, None, 2_000, variables) is None


def test_introspection_is_left_to_graphql_core() -> None:
    assert schema.plan("{ __schema { queryType { name } } }", None, 2_000, {}) is None
