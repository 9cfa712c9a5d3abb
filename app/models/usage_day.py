from datetime import date
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class UsageDay(SQLModel, table=True):
    """What a workspace's tasks were on a day of UTC, by kind of work and who did it; written by refresh_usage() alone.

    The nil UUID stands for no worker or template, the empty text for no provider or model: a key has no nulls.
    `tasks` is how many ended, `cost_micros` what was charged. What is an hour old is added once, and outlives events
    and attempts; the rest is in rows of its own that are `is_open`, which the next refresh replaces.
    """

    __tablename__ = "usage_days"
    __table_args__ = (sa.Index("idx_usage_days_open", "day", postgresql_where=sa.text("is_open")),)

    workspace_id: UUID = columns.uuid_of(primary_key=True)
    day: date = Field(sa_type=sa.Date, primary_key=True)
    type: str = Field(sa_type=sa.String(100), primary_key=True)
    worker_id: UUID = columns.uuid_of(primary_key=True)
    template_id: UUID = columns.uuid_of(primary_key=True)
    provider: str = Field(sa_type=sa.String(50), primary_key=True)
    model: str = Field(sa_type=sa.String(200), primary_key=True)
    is_open: bool = Field(sa_type=sa.Boolean, primary_key=True)
    tasks: int = columns.micros()
    succeeded: int = columns.micros()
    failed: int = columns.micros()
    canceled: int = columns.micros()
    expired: int = columns.micros()
    attempts: int = columns.micros()
    input_tokens: int = columns.micros()
    cached_input_tokens: int = columns.micros()
    output_tokens: int = columns.micros()
    cost_micros: int = columns.micros()
