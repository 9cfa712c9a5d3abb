from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns

MAX_NAME_LENGTH = 40
MAX_URL_LENGTH = 500
MAX_MODEL_LENGTH = 200
HINT_LENGTH = 4


class ProviderKind(StrEnum):
    """A vendor, whose key the workspace brings, or a server of the workspace's own."""

    OPENAI = "openai"
    ANTHROPIC = "anthropic"
    OPENAI_COMPATIBLE = "openai_compatible"


class ProviderConnection(SQLModel, table=True):
    """A workspace's own access to a provider, which bills the workspace and not the installation.

    `key_hint` is the end of the key, to recognise it by. A server has its address, a model and that model's sizes.
    """

    __tablename__ = "provider_connections"
    __table_args__ = (
        sa.Index("provider_connections_named_once", "workspace_id", "name", unique=True),
        sa.CheckConstraint(
            "(provider = 'openai_compatible') = (base_url IS NOT NULL)", name="provider_connections_address_of_servers"
        ),
        sa.CheckConstraint(
            "base_url IS NULL OR (model IS NOT NULL AND context_tokens > 0 AND max_output_tokens > 0)",
            name="provider_connections_servers_say_what_they_have",
        ),
        sa.CheckConstraint("base_url IS NOT NULL OR api_key IS NOT NULL", name="provider_connections_key_of_vendors"),
    )

    id: UUID = columns.uuid_key()
    workspace_id: UUID = columns.reference("workspaces.id")
    provider: str = columns.varchar(50)
    name: str = columns.varchar(MAX_NAME_LENGTH)
    api_key: bytes | None = columns.optional_sealed()
    key_hint: str | None = columns.optional_varchar(HINT_LENGTH)
    base_url: str | None = columns.optional_varchar(MAX_URL_LENGTH)
    model: str | None = columns.optional_varchar(MAX_MODEL_LENGTH)
    context_tokens: int | None = Field(default=None, sa_type=sa.Integer, nullable=True)
    max_output_tokens: int | None = Field(default=None, sa_type=sa.Integer, nullable=True)
    enabled: bool = Field(default=True, sa_column_kwargs={"server_default": sa.true()})
    created_by: UUID | None = columns.optional_reference("users.id")
    created_at: datetime = columns.timestamp()
    changed_at: datetime = columns.timestamp()
