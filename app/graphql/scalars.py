"""Scalars beside GraphQL's own."""

import contextlib
import json
import re
from datetime import date
from typing import Any, NewType

import strawberry
from graphql import GraphQLError, Undefined, ValueNode, value_from_ast_untyped
from strawberry.types.scalar import ScalarDefinition

# IEEE doubles, and so JavaScript's numbers, are exact up to here.
MAX_SAFE = 2**53 - 1
_DAY = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_DIGITS = re.compile(r"-?[0-9]{1,19}")

BigInt = NewType("BigInt", int)


def _serialize(value: int) -> int | str:
    return value if -MAX_SAFE <= value <= MAX_SAFE else str(value)


def _big_int(value: Any) -> int:
    """As it is sent: a whole number, or its digits. Nothing is rounded, as these are often money."""
    number = value
    if isinstance(value, str) and _DIGITS.fullmatch(value):
        number = int(value)
    if not isinstance(number, int) or isinstance(number, bool) or not -(2**63) <= number < 2**63:
        raise GraphQLError("BigInt is a whole number of 64 bits, or a string of its digits.")
    return number


def _day(value: Any) -> date:
    # Python itself takes more: 20260131, or 2026-W05-6.
    if isinstance(value, str) and _DAY.fullmatch(value):
        with contextlib.suppress(ValueError):
            return date.fromisoformat(value)
    raise GraphQLError("Date is a day such as 2026-01-31.")


def _json_value(value: Any) -> Any:
    """A value of `variables`: it came as JSON, which was read strictly."""
    return value


def _json_literal(node: ValueNode, variables: dict[str, Any] | None = None) -> Any:
    """A value written into the document, where a number can be larger than any in JSON: 1e999."""
    value = _without_unset(value_from_ast_untyped(node, variables))
    try:
        json.dumps(value, allow_nan=False)
    except ValueError:
        raise GraphQLError("A number in this JSON value is too large.", node) from None
    return value


def _without_unset(value: Any) -> Any:
    """As GraphQL does with input objects: a member whose variable was not given is not there."""
    if isinstance(value, dict):
        return {name: _without_unset(part) for name, part in value.items() if part is not Undefined}
    if isinstance(value, list):
        return [_without_unset(part) for part in value]
    return None if value is Undefined else value


SCALARS: dict[object, ScalarDefinition] = {
    strawberry.scalars.JSON: strawberry.scalar(
        name="JSON",
        description="Any JSON value.",
        specified_by_url="https://ecma-international.org/publications-and-standards/standards/ecma-404/",
        parse_value=_json_value,
        parse_literal=_json_literal,
    ),
    date: strawberry.scalar(
        name="Date",
        description="A day of the Gregorian calendar, such as 2026-01-31.",
        specified_by_url="https://www.rfc-editor.org/rfc/rfc3339",
        serialize=date.isoformat,
        parse_value=_day,
    ),
    BigInt: strawberry.scalar(
        name="BigInt",
        description="A 64-bit integer, as a JSON number when it is safe and as a string otherwise.",
        serialize=_serialize,
        parse_value=_big_int,
    ),
}
