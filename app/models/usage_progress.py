from datetime import datetime, timedelta
from typing import Any

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class UsageProgress(SQLModel, table=True):
    """How far the usage report is, in one row: what happened before `open_from` is counted for good, the rest was
    counted at `refreshed_at`, which took `took`, with all that transactions before `seen_xid` wrote."""

    __tablename__ = "usage_progress"
    __table_args__ = (sa.CheckConstraint("one", name="usage_progress_one"),)

    one: bool = Field(
        default=True, sa_type=sa.Boolean, primary_key=True, sa_column_kwargs={"server_default": sa.true()}
    )
    open_from: datetime = columns.timestamp()
    refreshed_at: datetime | None = columns.optional_timestamp()
    seen_xid: Any = Field(default=None, sa_type=columns.Xid8, nullable=True)
    took: timedelta | None = Field(default=None, sa_type=sa.Interval, nullable=True)
