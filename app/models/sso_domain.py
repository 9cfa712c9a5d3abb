from uuid import UUID

from sqlmodel import Field, SQLModel

from app.models import columns


class SsoDomain(SQLModel, table=True):
    """Whose e-mail addresses end in `@domain`, in lower case, sign in through this connection, and nobody else."""

    __tablename__ = "sso_domains"

    domain: str = Field(max_length=253, primary_key=True)
    connection_id: UUID = Field(foreign_key="sso_connections.id", ondelete="CASCADE", index=True)
    workspace_id: UUID = columns.uuid_of()
