"""`bizq keys rotate`: what is sealed in the database gets the present key."""

import asyncio
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Annotated, Any

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table
from sqlalchemy.exc import SQLAlchemyError

from app import settings
from app.cli import view
from app.cli.console import err, print_json
from app.cli.owner import as_owner
from app.db.availability import is_unavailable
from app.db.guard import DatabaseUnavailable
from app.db.sealed import SEALED
from app.db.vault import Vault
from app.services.encryption import rotate as service
from app.services.encryption.rotate import OnProgress, Report

# Rows that are named on a terminal; JSON names all.
NAMED = 20
_LINE_SECONDS = 1.0


def rotate(
    check: Annotated[bool, typer.Option("--check", help="Only count what is not current; change nothing.")] = False,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Seal what is personal or secret in the database with the first key of BIZQ_ENCRYPTION_KEY.

    To change the key while the service runs, in this order:

    1. Make a key: bizq keys new

    2. Put it behind the present one, BIZQ_ENCRYPTION_KEY=old,new, and
    restart every api and worker. Now all of them can read what it
    seals.

    3. Put it in front, BIZQ_ENCRYPTION_KEY=new,old, and restart every
    api. Now it seals all that is written.

    4. Run `bizq keys rotate` with that value, beside the service. It
    seals what was written before.

    5. When everything is current, take the old key out,
    BIZQ_ENCRYPTION_KEY=new, and restart every api and worker.

    Step 2 is for those who restart one api after the other: leave it out
    where all of them are stopped at once. Backups that were made before
    step 4 need the old key: keep it as long as them.

    It may be killed at any moment: run it again, and it goes on. Exit
    code 1 when something is not current in the end, also with --check.
    Rows that cannot be opened are named.

    Example: bizq keys rotate --check
    """
    loaded = settings.load()
    reports = asyncio.run(_run(loaded, Vault(loaded.encryption_keys), check=check))
    done = all(report.done for report in reports)
    if json:
        print_json({"ok": done, "places": [_as_json(report) for report in reports]})
    else:
        view.print_table(_table(reports))
    _explain(reports)
    raise typer.Exit(0 if done else 1)


async def _run(loaded: settings.Settings, vault: Vault, *, check: bool) -> list[Report]:
    try:
        async with as_owner(loaded) as engine:
            with _progress() as on_progress:
                walk = service.check if check else service.rotate
                return await walk(engine, vault, SEALED, on_progress)
    except (SQLAlchemyError, OSError) as error:
        if not is_unavailable(error):
            raise
        raise DatabaseUnavailable("The database has gone away. Run it again: it goes on where it was.") from None


@contextmanager
def _progress() -> Iterator[OnProgress]:
    """A bar on a terminal; elsewhere a line for each step, and one a second while it lasts."""
    if not view.screen.is_terminal:
        yield _Lines().show
        return
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=view.screen, transient=True) as progress:
        bar = progress.add_task("", total=None)
        yield lambda step, done, of: progress.update(bar, description=step, completed=done, total=of)


class _Lines:
    def __init__(self) -> None:
        self._shown_at = 0.0

    def show(self, step: str, done: int, of: int) -> None:
        now = time.monotonic()
        if done in (0, of) or now - self._shown_at >= _LINE_SECONDS:
            self._shown_at = now
            err.print(f"{step}: {done} of {of}")


def _explain(reports: list[Report]) -> None:
    for report in reports:
        problems = [view.plain(reason) for reason in report.unreadable.values()]
        problems += [
            view.plain(f"{report.place} of {row} is in another row as well: one of them has to go.")
            for row in report.taken
        ]
        for problem in problems[:NAMED]:
            err.print(problem)
        if len(problems) > NAMED:
            err.print(f"… and {len(problems) - NAMED} more values of {report.place}; --json names all")
        left = report.old - len(report.taken)
        if left and not report.unreadable:
            err.print(
                f"{report.place}: {left} values have another key than the first. Run `bizq keys rotate`; if it was "
                "just run, an api still seals with that key: restart it and run it again."
            )


def _table(reports: list[Report]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("PLACE", "VALUES", "CURRENT", "OLD", "UNREADABLE", "RESEALED"):
        table.add_column(name, no_wrap=True, justify="left" if name == "PLACE" else "right")
    for report in reports:
        counts = (report.total, report.current, report.old, len(report.unreadable), report.resealed)
        table.add_row(report.place, *map(str, counts))
    return table


def _as_json(report: Report) -> dict[str, Any]:
    return {
        "place": report.place,
        "values": report.total,
        "current": report.current,
        "old": report.old,
        "resealed": report.resealed,
        "unreadable": [{"row": str(row), "reason": reason} for row, reason in report.unreadable.items()],
        "taken": [str(row) for row in report.taken],
    }
