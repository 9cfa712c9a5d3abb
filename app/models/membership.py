from datetime import datetime
from uuid import UUID

from sqlmodel import SQLModel

from app.models import columns


class Membership(SQLModel, table=True):
    """A user's role in a workspace."""

    __tablename__ = "memberships"

    workspace_id: UUID = columns.reference("workspaces.id", primary_key=True)
    user_id: UUID = columns.reference("users.id", primary_key=True, index=True)
    role: str = columns.varchar(20)
    created_at: datetime = columns.timestamp()
