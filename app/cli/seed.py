"""`bizq seed`: demo data."""

import asyncio
from typing import Annotated

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from app import ids, settings
from app.cli import view
from app.cli.console import err, print_json
from app.db.vault import Vault
from app.errors import InvalidInput
from app.services.seed.load import Plan, SeedReport
from app.services.seed.load import seed as load_set

MOST_WORKSPACES = 1_000
MOST_TASKS = 10_000_000


def seed(
    workspaces: Annotated[int, typer.Option(min=1, max=MOST_WORKSPACES, help="How many workspaces.")] = 3,
    tasks: Annotated[int, typer.Option(min=0, max=MOST_TASKS, help="How many tasks, in all of them together.")] = 1_000,
    queued: Annotated[int, typer.Option(min=0, help="How many of the tasks are left QUEUED, for a worker to do.")] = 0,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Add demo data: companies with people, workers, API keys and a history of tasks.

    Running it again adds another set. The first set is the same on every
    installation, and so is the second; only the API keys are always new,
    because nobody shall know them in advance.

    No model is called, unless --queued leaves work to do.

    Example: bizq seed --workspaces 10 --tasks 200000
    """
    if queued > tasks:
        raise InvalidInput(f"--queued is {queued}, more than --tasks, which is {tasks}.")
    plan = Plan(workspaces, tasks, queued)
    loaded = settings.load()
    owner_url, vault = loaded.owner_database_url, Vault(loaded.encryption_keys)
    with _progress() as progress:
        bar = progress.add_task("tasks", total=tasks)
        report = asyncio.run(load_set(owner_url, vault, plan, lambda done: progress.update(bar, completed=done)))
    err.print(f"set {report.set_number}: {report.tasks} tasks in {report.seconds:.1f} s", style="dim")
    if json:
        print_json(_as_json(report))
    else:
        view.print_table(_table(report))


def _progress() -> Progress:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    return Progress(*columns, console=view.screen, transient=True, disable=not view.screen.is_terminal)


def _table(report: SeedReport) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("WORKSPACE", "ID", "TASKS", "API KEY"):
        table.add_column(name, no_wrap=True, justify="right" if name == "TASKS" else "left")
    for item in report.workspaces:
        table.add_row(item.name, ids.encode(ids.WORKSPACE, item.workspace_id), str(item.tasks), item.api_key)
    return table


def _as_json(report: SeedReport) -> dict[str, object]:
    return {
        "set": report.set_number,
        "tasks": report.tasks,
        "seconds": round(report.seconds, 2),
        "workspaces": [
            {
                "id": ids.encode(ids.WORKSPACE, item.workspace_id),
                "name": item.name,
                "slug": item.slug,
                "apiKey": item.api_key,
                "tasks": item.tasks,
            }
            for item in report.workspaces
        ],
    }
