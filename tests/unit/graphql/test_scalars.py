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


@pytest.mark.parametrize("value", ["9007199254740993", 9_007_199_254_740_993])
def test_big_int_comes_in_as_a_number_or_as_digits(value: object) -> None:
    assert scalar("BigInt").parse_value(value) == 9_007_199_254_740_993


@pytest.mark.parametrize("value", [1.0, True, "", "1.0", "1e3", " 1", "٣", 2**63, str(-(2**63) - 1), None, [1]])
def test_what_is_no_whole_number_of_64_bits_is_no_big_int(value: object) -> None:
    with pytest.raises(GraphQLError, match="whole number"):
        scalar("BigInt").parse_value(value)


@pytest.mark.parametrize(
    "value", ["2026-02-29", "20260131", "2026-1-31", "2026-W01-1", "2026-01-31T00:00:00Z", 1, None]
)
def test_what_is_no_day_is_no_date(value: object) -> None:
    with pytest.raises(GraphQLError, match="Date is a day such as"):
        scalar("Date").parse_value(value)
