"""A person, as their colleagues see them."""

from collections.abc import Mapping
from typing import Any, Self

import strawberry

from app import ids
from app.graphql.relay import Node


@strawberry.type(description="A person.")
class User(Node):
    name: str = strawberry.field(description="How the person wants to be called.")
    email: str | None = strawberry.field(description="E-mail address; visible to colleagues.")

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Of a row that is opened."""
        return cls(id=strawberry.ID(ids.encode(ids.USER, row["id"])), name=row["name"], email=row["email"])
