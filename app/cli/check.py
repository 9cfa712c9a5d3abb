"""What `bizq doctor` finds, and how it is told."""

from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from typing import Any

from rich.text import Text

from app import clock, ids
from app.cli import view
from app.cli.console import out
from app.services.task.health import StuckTask

# More are there where this many and one are found.
NAMED = 5
_INDENT = " " * 20


class Finding(StrEnum):
    OK = "ok"
    WARNING = "warning"
    FAILED = "failed"
    SKIPPED = "skipped"


@dataclass(frozen=True, slots=True)
class Check:
    """`message` says what is, `advice` what to do about it; `tasks` are the ones it is about, or the worst of them."""

    name: str
    finding: Finding
    message: str
    advice: str | None = None
    tasks: tuple[StuckTask, ...] = ()

    def as_json(self) -> dict[str, Any]:
        return {
            "name": self.name,
            "finding": self.finding,
            "message": self.message,
            "advice": self.advice,
            "tasks": [_task_as_json(task) for task in self.tasks[:NAMED]],
        }


_MARKS = {
    Finding.OK: ("✓", "green"),
    Finding.WARNING: ("!", "yellow"),
    Finding.FAILED: ("✗", "red"),
    Finding.SKIPPED: ("–", "bright_black"),
}


def print_check(check: Check) -> None:
    mark, style = _MARKS[check.finding]
    out.print(Text(f"{mark} ", style).append(check.name.ljust(18), "bold").append_text(view.plain(check.message)))
    if check.advice and check.finding is not Finding.OK:
        out.print(Text(_INDENT).append_text(view.plain(f"→ {check.advice}")))
    now = clock.now()
    for task in check.tasks[:NAMED]:
        out.print(Text(_INDENT).append_text(task_line(task, now)))
    if len(check.tasks) > NAMED:
        out.print(f"{_INDENT}… and more")


def task_line(task: StuckTask, now: datetime) -> Text:
    """`task_… of ws_…, email.reply, for 5 min, attempt 2 of worker host-12`."""
    age = view.duration((now - task.since).total_seconds())
    line = f"{ids.encode(ids.TASK, task.task_id)} of {ids.encode(ids.WORKSPACE, task.workspace_id)}, {task.type}, {age}"
    if task.attempt is not None:
        line += f", attempt {task.attempt}"
    if task.leased_by is not None:
        line += f", leased by {task.leased_by}"
    return view.plain(line)


def _task_as_json(task: StuckTask) -> dict[str, Any]:
    return {
        "id": ids.encode(ids.TASK, task.task_id),
        "workspaceId": ids.encode(ids.WORKSPACE, task.workspace_id),
        "type": task.type,
        "since": task.since.isoformat(),
        "leasedBy": task.leased_by,
        "attempt": task.attempt,
    }
