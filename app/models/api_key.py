from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlalchemy.dialects import postgresql as pg
from sqlmodel import Field, SQLModel

from app.models import columns


class ApiKey(SQLModel, table=True):
    """A program's way in. Only the hash of the secret is stored; `scopes` null means all of the role."""

    __tablename__ = "api_keys"

    id: UUID = columns.uuid_key()
    workspace_id: UUID = columns.reference("workspaces.id", index=True)
    creator_id: UUID = columns.reference("users.id")
    name: str = columns.varchar(100)
    prefix: str = columns.varchar(20)
    secret_hash: bytes = Field(sa_type=sa.LargeBinary, unique=True)
    role: str = columns.varchar(20)
    scopes: list[str] | None = Field(default=None, sa_type=pg.ARRAY(sa.Text), nullable=True)
    expires_at: datetime | None = columns.optional_timestamp()
    last_used_at: datetime | None = columns.optional_timestamp()
    revoked_at: datetime | None = columns.optional_timestamp()
    created_at: datetime = columns.timestamp()
