"""How tasks look on a terminal. What comes from elsewhere is shown as plain text, whatever it contains."""

import re
from collections.abc import Mapping
from datetime import datetime
from typing import Any

import orjson
from rich.console import Console
from rich.table import Table
from rich.text import Text

from app import clock
from app.cli.console import out
from app.cli.states import MICROS_PER_CREDIT, TaskStatus

# For live views: rich measures lines itself there. They are not results, so they go to standard error.
screen = Console(stderr=True, highlight=False)

STYLES = {
    TaskStatus.SCHEDULED: "blue",
    TaskStatus.QUEUED: "cyan",
    TaskStatus.RUNNING: "yellow",
    TaskStatus.WAITING: "magenta",
    TaskStatus.SUCCEEDED: "green",
    TaskStatus.FAILED: "red",
    TaskStatus.CANCELED: "bright_black",
    TaskStatus.EXPIRED: "bright_black",
}
# Wider than any table: ids and keys are never cut, the terminal may break the line.
_ANY_WIDTH = 1_000
_TASK_COLUMNS_WIDTH = 84
_LONG = 100
# Escape sequences in a model's answer could otherwise rewrite the terminal.
_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")
_UNITS = ((86_400, "d"), (3_600, "h"), (60, "min"), (1, "s"))


def plain(value: object, style: str = "") -> Text:
    """No markup, no emoji codes, no control characters."""
    return Text(_CONTROL.sub("�", str(value).replace("\r\n", "\n")), style=style)


def status(value: str) -> Text:
    return Text(value, style=STYLES[TaskStatus(value)])


def duration(seconds: float) -> str:
    """`42 s`, `5 min`, `3 h`, `12 d`: the largest unit that fits."""
    size, unit = next(((size, unit) for size, unit in _UNITS if seconds >= size), (1, "s"))
    return f"{max(0, int(seconds)) // size} {unit}"


def age(created_at: str) -> str:
    return duration((clock.now() - datetime.fromisoformat(created_at)).total_seconds())


def credits(micros: int | str) -> str:
    """Without needless zeros: `0.000123`, `0`."""
    return f"{int(micros) / MICROS_PER_CREDIT:.6f}".rstrip("0").rstrip(".")


def doing(task: Mapping[str, Any]) -> str:
    """In a few words what a task is at."""
    match task["status"]:
        case TaskStatus.RUNNING:
            route = task["routing"] or {}
            return f"{route.get('provider')}/{route.get('model')}" if route else "a worker is on it"
        case TaskStatus.QUEUED if task["runAt"] and (wait := -_seconds_since(task["runAt"])) > 0:
            return f"next try in {duration(wait)}: {_reason(task)}"
        case TaskStatus.QUEUED:
            return f"number {task['queuePosition']} in the queue" if task["queuePosition"] else "waits for a worker"
        case TaskStatus.SCHEDULED:
            return f"starts {moment(task['runAt'])}"
        case TaskStatus.SUCCEEDED:
            return f"done in {_took(task)}, {credits(task['costMicros'])} credits"
        case TaskStatus.FAILED:
            return _reason(task)
    return ""


def tasks_table(tasks: list[dict[str, Any]], width: int | None) -> Table:
    """Lines of at most `width` characters, where it is wide enough for the columns; None for no limit."""
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.add_column("ID", no_wrap=True)
    table.add_column("TYPE", no_wrap=True)
    table.add_column("STATUS", no_wrap=True)
    table.add_column("ATTEMPTS", justify="right", no_wrap=True)
    table.add_column("AGE", justify="right", no_wrap=True)
    table.add_column("", no_wrap=True)
    for task in tasks:
        table.add_row(
            task["id"],
            plain(task["type"]),
            status(task["status"]),
            str(task["attemptCount"]),
            age(task["createdAt"]),
            _shortened(plain(doing(task)), width),
        )
    return table


def print_table(table: Table) -> None:
    """On standard output, nothing cut."""
    Console(highlight=False, width=_ANY_WIDTH).print(table)


def terminal_width() -> int | None:
    """None in a pipe."""
    return out.width if out.is_terminal else None


def moment(value: str) -> str:
    """In the time zone of this machine; without the date where that is today's."""
    local, today = datetime.fromisoformat(value).astimezone(), clock.now().astimezone().date()
    return local.strftime("%H:%M:%S" if local.date() == today else "%Y-%m-%d %H:%M:%S")


def event_line(event: Mapping[str, Any], *, with_id: bool = False) -> Text:
    """`12:00:03   2 STARTED          attempt 1`."""
    line = Text(f"{moment(event['at'])} {event['task']['id'] + ' ' if with_id else ''}{event['seq']:>3} ")
    line.append(event["kind"].ljust(16), STYLES[TaskStatus(event["task"]["status"])])
    return line.append_text(plain(_details(event)))


def output_text(output: Any) -> Text:
    """A single text as it is; an object field by field, long ones last; anything else as JSON."""
    if isinstance(output, dict) and len(output) == 1 and isinstance(only := next(iter(output.values())), str):
        return plain(only)
    if not isinstance(output, dict):
        return plain(_json(output))
    text = Text()
    fields = {name: value if isinstance(value, str) else _json(value) for name, value in output.items()}
    for name, shown in sorted(fields.items(), key=lambda field: len(field[1]) > _LONG or "\n" in field[1]):
        text.append_text(plain(name, "bold")).append(":\n" if "\n" in shown else ": ").append_text(plain(shown)).append(
            "\n"
        )
    text.rstrip()
    return text


def _shortened(text: Text, width: int | None) -> Text:
    if width is not None:
        text.truncate(max(10, width - _TASK_COLUMNS_WIDTH), overflow="ellipsis")
    return text


def _json(value: Any) -> str:
    return orjson.dumps(value, option=orjson.OPT_INDENT_2).decode()


def _details(event: Mapping[str, Any]) -> str:
    data, task = event["data"] or {}, event["task"]
    if event["kind"] == "SNAPSHOT":
        return f"{task['status']}, {doing(task)}".rstrip(", ")
    parts = [f"attempt {data['attempt']}"] if "attempt" in data else []
    if data.get("error"):
        parts.append(data["error"]["message"])
    if data.get("nextAttemptAt"):
        parts.append(f"next try at {moment(data['nextAttemptAt'])}")
    if data.get("reason"):
        parts.append(str(data["reason"]))
    return ", ".join(parts)


def _reason(task: Mapping[str, Any]) -> str:
    return task["error"]["message"] if task["error"] else ""


def _took(task: Mapping[str, Any]) -> str:
    if not (task["startedAt"] and task["finishedAt"]):
        return "no time"
    started, finished = (datetime.fromisoformat(task[name]) for name in ("startedAt", "finishedAt"))
    return f"{(finished - started).total_seconds():.1f} s"


def _seconds_since(moment: str) -> float:
    return (clock.now() - datetime.fromisoformat(moment)).total_seconds()
