from datetime import datetime
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class TaskEventKind(StrEnum):
    SNAPSHOT = "SNAPSHOT"
    CREATED = "CREATED"
    QUEUED = "QUEUED"
    STARTED = "STARTED"
    PROGRESS = "PROGRESS"
    RETRY_SCHEDULED = "RETRY_SCHEDULED"
    WAITING = "WAITING"
    RESUMED = "RESUMED"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCEL_REQUESTED = "CANCEL_REQUESTED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


class TaskEvent(SQLModel, table=True):
    """One thing that happened to a task, written in the transaction in which it happened.

    `seq` counts 1, 2, 3 … per task. The place in a workspace's log is (xid, task_id, seq): `xid` is the writing
    transaction, or the task's previous event's where that is higher, so that the order of a task's events in the
    log is the order of their `seq`. A reader takes only rows below the oldest running transaction.

    Partitioned by week, old partitions are dropped. No foreign keys: an event is only ever written from its task's row,
    in the same statement, and with them adding or dropping a partition would lock `tasks`.
    """

    __tablename__ = "task_events"
    __table_args__ = (
        sa.Index("idx_task_events_log", "workspace_id", "xid", "task_id", "seq"),
        sa.Index("idx_task_events_at", "at", postgresql_using="brin"),
        {"postgresql_partition_by": "RANGE (at)"},
    )

    task_id: UUID = columns.uuid_of(primary_key=True)
    seq: int = Field(sa_type=sa.Integer, primary_key=True)
    workspace_id: UUID = columns.uuid_of()
    xid: int = Field(sa_type=columns.Xid8)
    kind: str = columns.varchar(20)
    status: str = columns.varchar(50)
    attempt: int = columns.integer(0)
    data: dict[str, Any] = columns.jsonb()
    at: datetime = columns.timestamp(primary_key=True)
