from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class Invitation(SQLModel, table=True):
    """An open invitation: whoever accepts, cancels or replaces it deletes it.

    `email` is sealed and found by its blind index, `email_index`. Of the token only the hash is stored.
    """

    __tablename__ = "invitations"
    __table_args__ = (
        sa.Index("invitations_workspace_email", "workspace_id", "email_index", unique=True),
        sa.Index("idx_invitations_expiry", "expires_at"),
    )

    id: UUID = columns.uuid_key()
    workspace_id: UUID = columns.reference("workspaces.id")
    email: bytes = Field(sa_type=sa.LargeBinary)
    email_index: bytes = Field(sa_type=sa.LargeBinary)
    role: str = columns.varchar(20)
    token_hash: bytes = Field(sa_type=sa.LargeBinary, unique=True)
    inviter_id: UUID = columns.reference("users.id")
    created_at: datetime = columns.timestamp()
    expires_at: datetime = Field(sa_type=sa.DateTime(timezone=True))
