"""The contract says that every event has a task; the opening event of an empty workspace has none to show."""

from datetime import datetime
from typing import Any
from uuid import UUID

from app.models import TaskComplexity, TaskStatus
from app.services.task.queries import COLUMNS


def blank_row(at: datetime) -> dict[str, Any]:
    """A task with an all-zero id and nothing in it: no such task exists."""
    return {
        **{column.name: None for column in COLUMNS},
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
