"""BigInt and JSON, as they leave and come in."""

from typing import Any

import pytest
from graphql import GraphQLError, GraphQLScalarType, parse_value

from app.graphql.scalars import MAX_SAFE
from app.graphql.schema import schema


def scalar(name: str) -> GraphQLScalarType:
    type_ = schema._schema.type_map[name]
    assert isinstance(type_, GraphQLScalarType)
    return type_


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (0, 0),
        (-1, -1),
        (MAX_SAFE, 9_007_199_254_740_991),
        (-MAX_SAFE, -9_007_199_254_740_991),
        (MAX_SAFE + 1, "9007199254740992"),
        (-MAX_SAFE - 1, "-9007199254740992"),
        (2**63 - 1, "9223372036854775807"),
    ],
)
def test_big_int_is_a_number_while_that_is_safe_and_else_a_string(value: int, shown: object) -> None:
    given = scalar("BigInt").coerce_output_value(value)

    assert (given, type(given)) == (shown, type(shown))


@pytest.mark.parametrize(
    ("literal", "value"),
    [
        ("null", None),
        ('[1, -2.5, true, "ß"]', [1, -2.5, True, "ß"]),
        ("{a: {b: []}}", {"a": {"b": []}}),
        ("1e308", 1e308),
        ("{given: $given, unset: $unset, list: [$unset]}", {"given": {"a": 1}, "list": [None]}),
    ],
)
def test_json_may_be_written_into_a_document(literal: str, value: object) -> None:
    variables: dict[str, Any] = {"given": {"a": 1}}

    assert scalar("JSON").parse_literal(parse_value(literal), variables) == value


@pytest.mark.parametrize("literal", ["1e309", "-1e309", "{a: [1e999]}", "9" * 5_000])
def test_number_that_json_does_not_have_is_refused(literal: str) -> None:
    with pytest.raises(GraphQLError, match="too large"):
        scalar("JSON").parse_literal(parse_value(literal), None)
