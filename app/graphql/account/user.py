"""A person, as their colleagues see them."""

from collections.abc import Mapping
from datetime import datetime
from typing import Any, Self
from uuid import UUID

import strawberry

from app import ids
from app.graphql.context import Info
from app.graphql.relay import Node


@strawberry.type(description="A person.")
class User(Node):
    key: strawberry.Private[UUID]
    email_verified_at: strawberry.Private[datetime | None]
    name: str = strawberry.field(description="How the person wants to be called.")
    email: str | None = strawberry.field(description="E-mail address; visible to colleagues.")

    @classmethod
    def from_row(cls, row: Mapping[str, Any]) -> Self:
        """Of a row that is opened."""
        return cls(
            id=strawberry.ID(ids.encode(ids.USER, row["id"])),
            key=row["id"],
            name=row["name"],
            email=row["email"],
            email_verified_at=row["email_verified_at"],
        )

    @strawberry.field(description="Whether they have shown that they read it; visible to themselves, else null.")
    def email_verified(self, info: Info) -> bool | None:
        caller = info.context.caller
        mine = caller is not None and caller.user_id == self.key
        return self.email_verified_at is not None if mine else None
