"""Publishes the models' enums with a description for each value."""

from collections.abc import Container
from enum import Enum
from typing import Any, TypeVar

import strawberry

E = TypeVar("E", bound=type[Enum])


def described(enum: E, description: str, values: dict[str, str], hidden: Container[str] = ()) -> E:
    """The enum as a GraphQL type. `values` describes every member by name but those that are `hidden`."""
    published = strawberry.enum(enum, description=description)
    definition: Any = published.__strawberry_definition__  # type: ignore[attr-defined]
    definition.values = [value for value in definition.values if value.name not in hidden]
    for value in definition.values:
        value.description = values[value.name]
    return published
