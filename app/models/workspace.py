from datetime import datetime
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class Workspace(SQLModel, table=True):
    """A company: the unit of isolation, of credits and of fairness between queues."""

    __tablename__ = "workspaces"
    __table_args__ = (
        sa.CheckConstraint("credits_micros >= 0", name="workspaces_credits_not_negative"),
        sa.CheckConstraint("reserved_micros >= 0", name="workspaces_reserved_not_negative"),
    )

    id: UUID = columns.uuid_key()
    name: str = columns.varchar(255)
    slug: str = columns.unique_varchar(100)
    owner_id: UUID = columns.reference("users.id")
    plan: str = columns.varchar(50)
    credits_micros: int = columns.micros()
    reserved_micros: int = columns.micros()
    credits: Decimal | None = Field(default=None, sa_column=columns.credits_of("credits_micros"))
    created_at: datetime = columns.timestamp()
