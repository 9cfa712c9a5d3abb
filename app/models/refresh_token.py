from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class RefreshToken(SQLModel, table=True):
    """A token of a session. A used one stays as long as the session, so that its second use is noticed."""

    __tablename__ = "refresh_tokens"

    token_hash: bytes = Field(sa_type=sa.LargeBinary, primary_key=True)
    session_id: UUID = columns.reference("sessions.id", index=True)
    user_id: UUID = columns.uuid_of()
    created_at: datetime = columns.timestamp()
    used_at: datetime | None = columns.optional_timestamp()
