from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class WorkerKind(StrEnum):
    AI = "AI"
    HUMAN = "HUMAN"
    EXTERNAL = "EXTERNAL"


class Worker(SQLModel, table=True):
    """Who does the work: a configured model, a person or another system."""

    __tablename__ = "workers"

    id: UUID = columns.uuid_key()
    workspace_id: UUID = columns.reference("workspaces.id", index=True)
    name: str = columns.varchar(200)
    kind: str = columns.varchar(20)
    provider: str | None = columns.optional_varchar(50)
    model: str | None = columns.optional_varchar(200)
    system_prompt: str | None = Field(default=None, sa_type=sa.Text, nullable=True)
    parameters: dict[str, Any] = columns.jsonb()
    capabilities: list[str] = columns.text_array()
    skills: list[str] = columns.text_array()
    enabled: bool = Field(default=True, sa_column_kwargs={"server_default": sa.true()})
    created_at: datetime = columns.timestamp()
