from datetime import datetime
from uuid import UUID

from sqlmodel import SQLModel

from app.models import columns


class FormerMember(SQLModel, table=True):
    """Who was a member of a workspace once. A trigger of `memberships` writes it, whoever ends the membership.

    Single sign-on lets nobody in again who is here: that takes an invitation. No foreign keys, so that it stands in
    the way of nothing that is deleted.
    """

    __tablename__ = "former_members"

    workspace_id: UUID = columns.uuid_of(primary_key=True)
    user_id: UUID = columns.uuid_of(primary_key=True)
    left_at: datetime = columns.timestamp()
