from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class TemplateVersion(SQLModel, table=True):
    """What a template said at one time. Never changed: a task keeps the version it was created with."""

    __tablename__ = "template_versions"
    __table_args__ = (sa.UniqueConstraint("template_id", "number"),)

    id: UUID = columns.uuid_key()
    template_id: UUID = columns.reference("templates.id")
    workspace_id: UUID | None = columns.optional_reference("workspaces.id")
    number: int = Field(sa_type=sa.Integer)
    input_schema: dict[str, Any] | None = columns.optional_jsonb()
    output_schema: dict[str, Any] | None = columns.optional_jsonb()
    prompt: str = Field(sa_type=sa.Text)
    config: dict[str, Any] = columns.jsonb()
    created_at: datetime = columns.timestamp()
