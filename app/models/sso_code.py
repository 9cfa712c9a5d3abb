from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class SsoCode(SQLModel, table=True):
    """What a frontend exchanges after single sign-on, once: for a session of the user, or to link `identity` to them.

    `code` is its SHA-256. `identity` and `connection_id` are there where the user is to prove first who they are.
    """

    __tablename__ = "sso_codes"
    __table_args__ = (sa.Index("idx_sso_codes_expiry", "expires_at"),)

    code: bytes = Field(sa_type=sa.LargeBinary, primary_key=True)
    challenge: str = columns.varchar(43)
    workspace_id: UUID = columns.uuid_of()
    user_id: UUID = columns.uuid_of()
    connection_id: UUID | None = columns.optional_uuid()
    identity: bytes | None = Field(default=None, sa_type=sa.LargeBinary, nullable=True)
    expires_at: datetime = Field(sa_type=sa.DateTime(timezone=True))
