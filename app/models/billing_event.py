from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class BillingEventKind(StrEnum):
    """SNAPSHOT is never written: it opens a subscription."""

    SNAPSHOT = "SNAPSHOT"
    LOW_BALANCE = "LOW_BALANCE"
    SOFT_BUDGET_PASSED = "SOFT_BUDGET_PASSED"


class BillingEvent(SQLModel, table=True):
    """Something about a workspace's money that its people want to know. Written where it happens, in the database."""

    __tablename__ = "billing_events"

    workspace_id: UUID = columns.reference("workspaces.id", primary_key=True)
    number: int | None = Field(
        default=None, sa_column=sa.Column(sa.BigInteger, sa.Identity(always=True), primary_key=True)
    )
    kind: str = columns.varchar(40)
    data: dict[str, Any] = columns.jsonb()
    at: datetime = columns.timestamp()
