"""`bizq ledger`: proof that every credit is where it should be, for whoever operates the installation."""

import asyncio
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from app import ids, settings
from app.cli import view
from app.cli.console import err, print_json
from app.cli.owner import as_owner
from app.errors import InvalidInput
from app.services.billing import verify as service
from app.services.billing.verify import LedgerReport, OnProgress

SHOWN_BREAKS = 20
app = typer.Typer(help="Verify the ledger (on the database).", no_args_is_help=True)


# With a callback, typer keeps `verify` a command of its own while it is the only one.
@app.callback()
def ledger() -> None:
    """Verify the ledger (on the database)."""


@app.command("verify")
def verify(
    workspace: Annotated[
        str | None, typer.Argument(help="Id of one workspace; all of them by default.", metavar="[WORKSPACE_ID]")
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON, with every break.")] = False,
) -> None:
    """Count everything that the ledger promises anew, and say where it does not hold.

    Entries, balances, what is held for tasks, what they cost and what is
    used of budgets are compared as they were at one moment; nothing is
    changed or held up.

    Exit code 1 when something does not add up; each break is named.

    Example: bizq ledger verify --json
    """
    report = asyncio.run(_verify(workspace))
    if json:
        print_json(_as_json(report))
    else:
        view.print_table(_table(report))
        _print_breaks(report)
    raise typer.Exit(1 if report.breaks else 0)


async def _verify(workspace: str | None) -> LedgerReport:
    workspace_id = ids.decode(ids.WORKSPACE, workspace) if workspace is not None else None
    report = None
    if workspace is None or workspace_id is not None:
        async with as_owner(settings.load()) as engine:
            with _progress() as on_progress:
                report = await service.verify(engine, workspace_id, on_progress)
    if report is None:
        raise InvalidInput(f"There is no workspace {workspace}. `bizq workspace list` shows them.")
    return report


@contextmanager
def _progress() -> Iterator[OnProgress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=view.screen, transient=True, disable=not view.screen.is_terminal) as progress:
        bar = progress.add_task("ledger", total=None)
        yield lambda done, total, name: progress.update(bar, completed=done, total=total, description=name)


def _table(report: LedgerReport) -> Table:
    counts = Counter(found.invariant for found in report.breaks)
    table = Table(box=None, pad_edge=False, header_style="bold")
    table.title = f"{report.entries} entries of {report.workspaces} workspaces"
    table.title_justify = "left"
    for name in ("INVARIANT", "STATE", "PROMISE"):
        table.add_column(name, no_wrap=True)
    for name, promise in report.promises.items():
        table.add_row(name, f"{counts[name]} broken" if counts[name] else "ok", promise)
    return table


def _print_breaks(report: LedgerReport) -> None:
    for found in report.breaks[:SHOWN_BREAKS]:
        err.print(str(found), style="red", markup=False)
    if (more := len(report.breaks) - SHOWN_BREAKS) > 0:
        err.print(f"and {more} more; --json has all of them", style="red", markup=False)


def _as_json(report: LedgerReport) -> dict[str, object]:
    return {
        "ok": not report.breaks,
        "workspaces": report.workspaces,
        "entries": report.entries,
        "breaks": [
            {
                "invariant": found.invariant,
                "workspaceId": ids.encode(ids.WORKSPACE, found.workspace_id),
                "subjectId": found.subject,
                "problem": found.problem,
            }
            for found in report.breaks
        ],
        "promises": report.promises,
    }
