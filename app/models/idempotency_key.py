from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class IdempotencyKey(SQLModel, table=True):
    """The answer to a request that its sender may repeat. Written in the transaction that did what was asked."""

    __tablename__ = "idempotency_keys"
    __table_args__ = (sa.Index("idx_idempotency_keys_age", "created_at"),)

    workspace_id: UUID = columns.reference("workspaces.id", primary_key=True)
    key: str = Field(sa_type=sa.String(255), primary_key=True)
    fingerprint: bytes = Field(sa_type=sa.LargeBinary)
    answer: dict[str, Any] | None = columns.optional_jsonb()
    created_at: datetime = columns.timestamp()
