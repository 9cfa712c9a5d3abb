"""The rows of a task's history as they are copied to the database: fields are columns, JSON is text."""

from datetime import datetime
from typing import NamedTuple
from uuid import UUID


class TaskRow(NamedTuple):
    """A task at the end of its history. `event_xid` is left to the database."""

    id: UUID
    workspace_id: UUID
    type: str
    status: str
    input: str
    output: str | None
    error: str | None
    template_version_id: UUID
    worker_id: UUID | None
    created_by: UUID | None
    complexity: str
    cost_sensitive: bool
    priority: int
    progress: float | None
    routing: str
    cost_micros: int
    reserved_micros: int
    spent_micros: int
    holds: int
    attempt: int
    leased_by: str | None
    expires_at: datetime | None
    cancel_requested_at: datetime | None
    cancel_reason: str | None
    metadata: str
    tags: list[str]
    version: int
    event_seq: int
    created_at: datetime
    started_at: datetime | None
    finished_at: datetime | None


class AttemptRow(NamedTuple):
    task_id: UUID
    number: int
    workspace_id: UUID
    worker_id: UUID | None
    provider: str
    model: str
    status: str
    error: str | None
    output_text: str
    input_tokens: int | None
    output_tokens: int | None
    cached_input_tokens: int | None
    cost_micros: int
    started_at: datetime
    finished_at: datetime


class EventRow(NamedTuple):
    """An entry of the log. `xid` is left to the database."""

    task_id: UUID
    seq: int
    workspace_id: UUID
    kind: str
    status: str
    attempt: int
    data: str
    at: datetime
