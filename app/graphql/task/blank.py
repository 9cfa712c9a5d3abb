"""The contract says that every event has a task; the opening event of an empty workspace has none to show."""

from datetime import datetime
from typing import Any
from uuid import UUID

from app.graphql.task.types import Task
from app.models import TaskComplexity, TaskStatus
from app.services.task.queries import COLUMNS


def blank_task(at: datetime) -> Task:
    """A task with an all-zero id and nothing in it: no such task exists."""
    row: dict[str, Any] = {column.name: None for column in COLUMNS}
    row |= {
        "id": UUID(int=0),
        "type": "",
        "status": TaskStatus.SCHEDULED,
        "input": {},
        "complexity": TaskComplexity.NORMAL,
        "cost_sensitive": False,
        "priority": 5,
        "cost_micros": 0,
        "reserved_micros": 0,
        "attempt": 0,
        "metadata": {},
        "tags": [],
        "version": 0,
        "created_at": at,
    }
    return Task.from_row(row)
