from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class Session(SQLModel, table=True):
    """One sign-in and all that was refreshed from it: the family of its refresh tokens.

    `expires_at` moves on with each refresh, never past `ends_at`. `origin` is the hash of login and client address.
    `mfa_at` is when the second factor was last shown in it; null where it never was.
    """

    __tablename__ = "sessions"
    __table_args__ = (sa.Index("idx_sessions_expiry", "expires_at"),)

    id: UUID = columns.uuid_key()
    user_id: UUID = columns.reference("users.id", index=True)
    origin: bytes | None = Field(default=None, sa_type=sa.LargeBinary, nullable=True)
    created_at: datetime = columns.timestamp()
    expires_at: datetime = Field(sa_type=sa.DateTime(timezone=True))
    ends_at: datetime = Field(sa_type=sa.DateTime(timezone=True))
    revoked_at: datetime | None = columns.optional_timestamp()
    mfa_at: datetime | None = columns.optional_timestamp()
