from datetime import datetime
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class TaskAttempt(SQLModel, table=True):
    """One try at a task: who tried, what it produced so far, what it cost. Counted when it is claimed.

    Partitioned by month, without foreign keys, for the reasons given at TaskEvent.
    """

    __tablename__ = "task_attempts"
    __table_args__ = (
        sa.Index("idx_task_attempts_finished_at", "finished_at", postgresql_using="brin"),
        {"postgresql_partition_by": "RANGE (started_at)"},
    )

    task_id: UUID = columns.uuid_of(primary_key=True)
    number: int = Field(sa_type=sa.Integer, primary_key=True)
    workspace_id: UUID = columns.uuid_of()
    worker_id: UUID | None = columns.optional_uuid()
    provider: str | None = columns.optional_varchar(50)
    model: str | None = columns.optional_varchar(200)
    status: str = columns.varchar(50)
    error: dict[str, Any] | None = columns.optional_jsonb()
    output_text: str = Field(default="", sa_type=sa.Text, sa_column_kwargs={"server_default": ""})
    input_tokens: int | None = Field(default=None, sa_type=sa.Integer, nullable=True)
    output_tokens: int | None = Field(default=None, sa_type=sa.Integer, nullable=True)
    cached_input_tokens: int | None = Field(default=None, sa_type=sa.Integer, nullable=True)
    usage_estimated: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    cost_micros: int = columns.micros()
    started_at: datetime = columns.timestamp(primary_key=True)
    finished_at: datetime | None = columns.optional_timestamp()
