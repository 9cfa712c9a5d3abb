"""Publishes the models' enums with a description for each value."""

from enum import Enum
from typing import Any, TypeVar

import strawberry

E = TypeVar("E", bound=type[Enum])


def described(enum: E, description: str, values: dict[str, str]) -> E:
    """The enum as a GraphQL type. `values` describes every member by name."""
    published = strawberry.enum(enum, description=description)
    definition: Any = published.__strawberry_definition__  # type: ignore[attr-defined]
    for value in definition.values:
        value.description = values[value.name]
    return published
