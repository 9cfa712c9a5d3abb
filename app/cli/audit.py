"""`bizq audit`: the log of who did what, for whoever operates the installation."""

import asyncio
import json as json_module
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Annotated, Any
from uuid import UUID

import typer
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeElapsedColumn
from rich.table import Table

from app import ids, settings
from app.cli import view
from app.cli.console import err, print_json
from app.cli.owner import as_owner
from app.errors import InvalidInput
from app.services.audit import verify as service
from app.services.audit.verify import Anchors, ChainReport, Head, OnProgress

app = typer.Typer(help="Verify the audit log (on the database).", no_args_is_help=True)


# With a callback, typer keeps `verify` a command of its own while it is the only one.
@app.callback()
def audit() -> None:
    """Verify the audit log (on the database)."""


@app.command("verify")
def verify(
    workspace: Annotated[
        str | None, typer.Argument(help="Id of one workspace; all of them by default.", metavar="[WORKSPACE_ID]")
    ] = None,
    anchor: Annotated[
        Path | None,
        typer.Option(help="What --json printed before: its hashes must still be right.", dir_okay=False, exists=True),
    ] = None,
    json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False,
) -> None:
    """Recompute the hashes of the audit log, and say where it was tampered with.

    Each entry's hash covers all before it, and the end of each chain is
    kept beside the entries: an entry that was altered, removed or put in
    is found, unless whoever did it computed all hashes after it anew,
    and the end too. That takes the owner's login and triggers that are
    switched off. To find even that, keep what --json prints where they
    do not get, and give it as --anchor later.

    Exit code 1 when a chain is broken; the first entry is named.

    Example: bizq audit verify --json > audit-2026-11.json
    """
    anchors = _anchors(anchor) if anchor is not None else {}
    reports = asyncio.run(_verify(workspace, anchors))
    if json:
        print_json({"ok": all(report.problem is None for report in reports), "chains": list(map(_as_json, reports))})
    else:
        view.print_table(_table(reports))
    broken = [report for report in reports if report.problem is not None]
    for report in broken:
        err.print(f"{ids.encode(ids.WORKSPACE, report.workspace_id)}: {report.problem}", style="red", markup=False)
    raise typer.Exit(1 if broken else 0)


async def _verify(workspace: str | None, anchors: Anchors) -> Sequence[ChainReport]:
    workspace_id = ids.decode(ids.WORKSPACE, workspace) if workspace is not None else None
    reports: Sequence[ChainReport] = []
    if workspace is None or workspace_id is not None:
        async with as_owner(settings.load()) as engine:
            with _progress() as on_progress:
                reports = await service.verify(engine, workspace_id, anchors, on_progress)
    if workspace is not None and not reports:
        raise InvalidInput(f"There is no workspace {workspace}. `bizq workspace list` shows them.")
    return reports


@contextmanager
def _progress() -> Iterator[OnProgress]:
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeElapsedColumn())
    with Progress(*columns, console=view.screen, transient=True, disable=not view.screen.is_terminal) as progress:
        bar = progress.add_task("entries", total=None)
        yield lambda done, total: progress.update(bar, completed=done, total=max(done, total))


def _anchors(path: Path) -> dict[UUID, Head]:
    """Raises InvalidInput for a file that --json did not write."""
    try:
        chains = json_module.loads(path.read_bytes())["chains"]
        found = {ids.decode(ids.WORKSPACE, chain["workspaceId"]): _head(chain["head"]) for chain in chains}
        return {workspace_id: head for workspace_id, head in found.items() if workspace_id is not None}
    except (ValueError, KeyError, TypeError):
        raise InvalidInput(f"{path} is not what `bizq audit verify --json` prints.") from None


def _head(value: Any) -> Head:
    return Head(int(value["seq"]), bytes.fromhex(value["hash"]))


def _table(reports: Sequence[ChainReport]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("WORKSPACE", "ENTRIES", "STATE", "HASH OF THE LAST"):
        table.add_column(name, no_wrap=True, justify="right" if name == "ENTRIES" else "left")
    for report in reports:
        state = "ok" if report.problem is None else f"broken at {report.broken_at}"
        head = report.head.hash.hex() if report.head.seq else "–"
        table.add_row(ids.encode(ids.WORKSPACE, report.workspace_id), str(report.head.seq), state, head)
    return table


def _as_json(report: ChainReport) -> dict[str, object]:
    return {
        "workspaceId": ids.encode(ids.WORKSPACE, report.workspace_id),
        "head": {"seq": report.head.seq, "hash": report.head.hash.hex()},
        "verified": report.entries,
        "brokenAt": report.broken_at,
        "problem": report.problem,
    }
