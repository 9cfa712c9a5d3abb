"""A person, as their colleagues see them."""

from typing import Self

import strawberry
from sqlalchemy import RowMapping

from app import ids
from app.graphql.relay import Node


@strawberry.type(description="A person.")
class User(Node):
    name: str = strawberry.field(description="How the person wants to be called.")
    email: str | None = strawberry.field(description="E-mail address; visible to colleagues.")

    @classmethod
    def from_row(cls, row: RowMapping) -> Self:
        return cls(id=strawberry.ID(ids.encode(ids.USER, row["id"])), name=row["name"], email=row["email"])
