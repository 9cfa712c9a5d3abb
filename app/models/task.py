from datetime import datetime
from decimal import Decimal
from enum import StrEnum
from typing import Any
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class TaskStatus(StrEnum):
    SCHEDULED = "SCHEDULED"
    QUEUED = "QUEUED"
    RUNNING = "RUNNING"
    WAITING = "WAITING"
    SUCCEEDED = "SUCCEEDED"
    FAILED = "FAILED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


class TaskComplexity(StrEnum):
    LOW = "LOW"
    NORMAL = "NORMAL"
    HIGH = "HIGH"


class TaskWaitReason(StrEnum):
    HUMAN_WORK = "HUMAN_WORK"
    APPROVAL = "APPROVAL"
    EXTERNAL_EVENT = "EXTERNAL_EVENT"
    CREDITS = "CREDITS"


class TimeoutPolicy(StrEnum):
    FAIL = "FAIL"
    CANCEL = "CANCEL"
    USE_DEFAULT = "USE_DEFAULT"
    ESCALATE = "ESCALATE"


def _partial(name: str, *indexed: str, where: str) -> sa.Index:
    return sa.Index(f"idx_tasks_{name}", *indexed, postgresql_where=sa.text(where))


class Task(SQLModel, table=True):
    """One piece of work, and the outbox: what is due here is work, whatever became of its messages.

    `attempt` is the fencing token: it is raised by every claim, and a worker's write counts only while it is unchanged.
    `cost_micros` is what was charged, `spent_micros` what its attempts have used since credits were last reserved for
    it, `holds` how often that was, `attempts_lost` how many attempts ended without anybody knowing how. `event_seq` and
    `event_xid` are the place of the task's last event in the log.
    """

    __tablename__ = "tasks"
    __table_args__ = (
        # Ids are UUIDv7: the order of ids is the order of creation, so one index serves every page.
        sa.Index("idx_tasks_workspace", "workspace_id", "id"),
        sa.Index("idx_tasks_status", "workspace_id", "status", "id"),
        sa.Index("idx_tasks_created", "workspace_id", sa.text("created_at DESC")),
        sa.Index("idx_tasks_input", "input", postgresql_using="gin", postgresql_ops={"input": "jsonb_path_ops"}),
        # What claims and the scheduler look for: each holds only the rows it is about, however large the table.
        _partial(
            "queue",
            "workspace_id",
            "priority",
            "id",
            where="status = 'QUEUED' AND run_at IS NULL AND routing IS NOT NULL",
        ),
        _partial("due", "run_at", where="status IN ('SCHEDULED', 'QUEUED') AND run_at IS NOT NULL"),
        _partial("expiry", "expires_at", where="status IN ('SCHEDULED', 'QUEUED') AND started_at IS NULL"),
        _partial("lease", "lease_until", where="status = 'RUNNING'"),
        _partial("canceling", "cancel_requested_at", where="status = 'RUNNING' AND cancel_requested_at IS NOT NULL"),
        _partial("waiting", "wait_until", where="status = 'WAITING'"),
        # For whoever looks after what went wrong.
        _partial("ended", "workspace_id", "finished_at", where="status IN ('FAILED', 'CANCELED', 'EXPIRED')"),
        _partial("worker_lost", "finished_at", where="status = 'FAILED' AND error ->> 'code' = 'worker_lost'"),
        _partial(
            "credits", "workspace_id", "priority", "id", where="status = 'WAITING' AND wait ->> 'reason' = 'CREDITS'"
        ),
        sa.CheckConstraint("cost_micros >= 0", name="tasks_cost_not_negative"),
        sa.CheckConstraint("reserved_micros >= 0 AND spent_micros >= 0", name="tasks_held_and_spent_not_negative"),
    )

    id: UUID = columns.uuid_key()
    workspace_id: UUID = columns.reference("workspaces.id")
    type: str = columns.varchar(100)
    status: str = columns.varchar(50)
    input: Any = columns.required_jsonb()
    output: Any = columns.optional_jsonb()
    error: dict[str, Any] | None = columns.optional_jsonb()
    template_version_id: UUID | None = columns.optional_reference("template_versions.id")
    worker_id: UUID | None = columns.optional_reference("workers.id")
    created_by: UUID | None = columns.optional_reference("users.id")
    api_key_id: UUID | None = columns.optional_uuid()
    complexity: str = columns.varchar(20)
    cost_sensitive: bool = Field(default=False, sa_column_kwargs={"server_default": sa.false()})
    priority: int = Field(default=5, sa_type=sa.SmallInteger, sa_column_kwargs={"server_default": sa.text("5")})
    progress: float | None = Field(default=None, sa_type=sa.Float, nullable=True)
    routing: dict[str, Any] | None = columns.optional_jsonb()
    cost_micros: int = columns.micros()
    reserved_micros: int = columns.micros()
    spent_micros: int = columns.micros()
    holds: int = columns.integer(0)
    max_cost_micros: int | None = Field(default=None, sa_type=sa.BigInteger, nullable=True)
    cost: Decimal | None = Field(default=None, sa_column=columns.credits_of("cost_micros"))
    attempt: int = columns.integer(0)
    max_attempts: int = columns.integer(3)
    attempts_before: int = columns.integer(0)
    attempts_lost: int = columns.integer(0)
    lease_until: datetime | None = columns.optional_timestamp()
    leased_by: str | None = columns.optional_varchar(100)
    run_at: datetime | None = columns.optional_timestamp()
    expires_at: datetime | None = columns.optional_timestamp()
    cancel_requested_at: datetime | None = columns.optional_timestamp()
    cancel_reason: str | None = columns.optional_varchar(500)
    wait: dict[str, Any] | None = columns.optional_jsonb()
    wait_until: datetime | None = columns.optional_timestamp()
    meta: dict[str, Any] = columns.named_jsonb("metadata")
    tags: list[str] = columns.text_array()
    version: int = columns.integer(1)
    event_seq: int = columns.integer(0)
    event_xid: int = columns.current_xid()
    created_at: datetime = columns.timestamp()
    started_at: datetime | None = columns.optional_timestamp()
    finished_at: datetime | None = columns.optional_timestamp()
