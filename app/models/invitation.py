from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class Invitation(SQLModel, table=True):
    """A place in a workspace, offered to an e-mail address. It ends accepted, canceled or expired, once.

    The address is sealed; of the token, which the invitation's link carries, only the SHA-256 is stored.
    """

    __tablename__ = "invitations"
    __table_args__ = (sa.Index("idx_invitations_address", "workspace_id", "email_index"),)

    id: UUID = columns.uuid_key()
    workspace_id: UUID = columns.reference("workspaces.id")
    email: bytes = columns.sealed()
    email_index: bytes = Field(sa_type=sa.LargeBinary)
    role: str = columns.varchar(20)
    token_hash: bytes = Field(sa_type=sa.LargeBinary, unique=True)
    invited_by: UUID | None = columns.optional_reference("users.id")
    created_at: datetime = columns.timestamp()
    expires_at: datetime = Field(sa_type=sa.DateTime(timezone=True))
    accepted_at: datetime | None = columns.optional_timestamp()
    canceled_at: datetime | None = columns.optional_timestamp()
