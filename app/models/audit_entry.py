from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class AuditEntry(SQLModel, table=True):
    """Who did what, when and from where: never changed, never deleted. `hash` is as app/db/audit.py defines it.

    Without foreign keys: an entry stays when what it is about is gone.
    """

    __tablename__ = "audit_entries"
    __table_args__ = (
        sa.Index("idx_audit_entries_action", "workspace_id", "action", "seq"),
        sa.Index("idx_audit_entries_user", "workspace_id", "user_id", "seq"),
    )

    workspace_id: UUID = columns.uuid_of(primary_key=True)
    seq: int = Field(sa_type=sa.BigInteger, primary_key=True)
    at: datetime = Field(sa_type=sa.DateTime(timezone=True))
    user_id: UUID | None = columns.optional_uuid()
    api_key_id: UUID | None = columns.optional_uuid()
    role: str | None = columns.optional_varchar(20)
    action: str = columns.varchar(100)
    subject: str | None = columns.optional_varchar(100)
    client_address: str | None = columns.optional_varchar(100)
    data: dict[str, Any] = columns.required_jsonb()
    hash: bytes = Field(sa_type=sa.LargeBinary)
