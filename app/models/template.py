from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class Template(SQLModel, table=True):
    """A named kind of task. Without a workspace it is built in and everybody's."""

    __tablename__ = "templates"
    __table_args__ = (
        sa.Index(
            "templates_workspace_slug",
            "workspace_id",
            "slug",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        sa.Index(
            "idx_templates_search",
            sa.text("to_tsvector('english'::regconfig, (name::text || ' '::text) || category::text)"),
            postgresql_using="gin",
        ),
        sa.Index("idx_templates_config", "config", postgresql_using="gin"),
    )

    id: UUID = columns.uuid_key()
    workspace_id: UUID | None = columns.optional_reference("workspaces.id")
    slug: str = columns.varchar(100)
    name: str = columns.varchar(255)
    category: str = columns.varchar(100)
    description: str = Field(default="", sa_type=sa.Text, sa_column_kwargs={"server_default": ""})
    config: dict[str, Any] = columns.jsonb()
    creator_id: UUID | None = columns.optional_reference("users.id")
    is_public: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    latest_version: int = columns.integer(1)
    created_at: datetime = columns.timestamp()
