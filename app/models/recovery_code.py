from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class RecoveryCode(SQLModel, table=True):
    """A code that replaces the authenticator app once. Only its hash is stored."""

    __tablename__ = "recovery_codes"

    user_id: UUID = columns.reference("users.id", primary_key=True)
    code_hash: bytes = Field(sa_type=sa.LargeBinary, primary_key=True)
    created_at: datetime = columns.timestamp()
    used_at: datetime | None = columns.optional_timestamp()
