from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class SsoFlow(SQLModel, table=True):
    """A sign-in that is under way at an identity provider, until its callback takes it.

    `state` and `browser` are SHA-256: of the parameter, and of the secret in the cookie of the browser that began.
    `challenge` is the frontend's, for the code that it gets in the end.
    """

    __tablename__ = "sso_flows"
    __table_args__ = (sa.Index("idx_sso_flows_expiry", "expires_at"),)

    state: bytes = Field(sa_type=sa.LargeBinary, primary_key=True)
    browser: bytes = Field(sa_type=sa.LargeBinary)
    connection_id: UUID = Field(foreign_key="sso_connections.id", ondelete="CASCADE", index=True)
    workspace_id: UUID = columns.uuid_of()
    nonce: str = columns.varchar(43)
    challenge: str = columns.varchar(43)
    return_to: str = columns.varchar(2000)
    expires_at: datetime = Field(sa_type=sa.DateTime(timezone=True))
