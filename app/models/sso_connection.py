from datetime import datetime
from uuid import UUID

from sqlmodel import SQLModel

from app.models import columns


class SsoConnection(SQLModel, table=True):
    """A workspace's identity provider (OpenID Connect). `role` is what members get who come through it first."""

    __tablename__ = "sso_connections"

    id: UUID = columns.uuid_key()
    workspace_id: UUID = columns.reference("workspaces.id", index=True)
    issuer: str = columns.varchar(500)
    client_id: str = columns.varchar(255)
    client_secret: bytes = columns.sealed()
    role: str = columns.varchar(20)
    created_at: datetime = columns.timestamp()
