"""`bizq task retry --failed-since`: shows what would be retried, or retries it and shows how that goes."""

import asyncio
from collections import Counter
from typing import Any

from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from app.cli import view
from app.cli.client import open_client
from app.cli.console import err, out, print_json
from app.cli.live import LOST
from app.cli.replay import Outcome, Replay, find, retry_all

ROWS_SHOWN = 20
REASONS_SHOWN = 5


def replay(wanted: Replay, *, really: bool, as_json: bool) -> bool:
    """Shows the tasks, or retries them. False where one could not be, and not because somebody else was first."""
    outcome = asyncio.run(_replay(wanted, really=really, as_json=as_json))
    return outcome is None or outcome.complete


async def _replay(wanted: Replay, *, really: bool, as_json: bool) -> Outcome | None:
    async with open_client() as client:
        # All of them before the first is retried: what fails again is not part of this run.
        with _progress() as progress:
            bar = progress.add_task("found", total=wanted.limit)
            tasks = await find(client, wanted, lambda count: progress.update(bar, completed=count))
        if not really:
            _print_plan(wanted, tasks, as_json=as_json)
            return None
        with _progress() as progress:
            bar = progress.add_task("retried", total=len(tasks))
            outcome = await retry_all(
                client,
                tasks,
                on_done=lambda: progress.advance(bar),
                on_lost=lambda: progress.console.print(LOST, style="yellow"),
            )
    _print_outcome(outcome, as_json=as_json)
    return outcome


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=view.screen, transient=True, disable=not view.screen.is_terminal)


def _print_plan(wanted: Replay, tasks: list[dict[str, Any]], *, as_json: bool) -> None:
    if as_json:
        print_json({"dryRun": True, "found": len(tasks), "tasks": tasks, "command": wanted.command()})
        return
    if not tasks:
        out.print(f"No task fits: none ended {' or '.join(wanted.statuses)} since {wanted.since.isoformat()}.")
        return
    view.print_table(_table(tasks[:ROWS_SHOWN]))
    if len(tasks) > ROWS_SHOWN:
        out.print(f"… and {len(tasks) - ROWS_SHOWN} more")
    out.print(f"\n{_tasks(len(tasks))} would be retried; nothing has been changed. To retry them:\n")
    out.print(f"    {wanted.command()}", markup=False)


def _table(tasks: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("ID", "TYPE", "ERROR", "FINISHED"):
        table.add_column(name, no_wrap=True)
    for task in tasks:
        code = task["error"]["code"] if task["error"] else task["status"]
        table.add_row(task["id"], view.plain(task["type"]), view.plain(code), view.moment(task["finishedAt"]))
    return table


def _print_outcome(outcome: Outcome, *, as_json: bool) -> None:
    if as_json:
        print_json(
            {
                "dryRun": False,
                "found": outcome.found,
                "retried": outcome.retried,
                "noLongerRetryable": outcome.gone,
                "failed": [{"id": id, "message": message} for id, message in outcome.failures.items()],
                "left": outcome.left,
            }
        )
    else:
        out.print(f"{outcome.retried} of {_tasks(outcome.found)} retried")
        if outcome.gone:
            out.print(f"{outcome.gone} no longer retryable: somebody else was first")
    for message, count in Counter(outcome.failures.values()).most_common(REASONS_SHOWN):
        err.print(f"{count} failed: {message}", style="red", markup=False)
    if outcome.lost is not None:
        err.print(f"{outcome.left} left over: {outcome.lost}", style="red", markup=False)


def _tasks(count: int) -> str:
    return "1 task" if count == 1 else f"{count} tasks"
