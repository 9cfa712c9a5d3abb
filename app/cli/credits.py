"""`bizq credits`: a workspace's credits, for whoever operates the installation."""

import asyncio
from typing import Annotated, Any

import typer
from rich.table import Table

from app import ids, settings
from app.cli import view
from app.cli.console import print_json
from app.cli.owner import as_owner
from app.errors import InvalidInput
from app.models import LedgerKind
from app.services.billing import credits as service
from app.services.billing.credits import Purse

app = typer.Typer(help="Give credits to workspaces, and show what they have (on the database).", no_args_is_help=True)
Workspace = Annotated[str, typer.Argument(help="Id of the workspace.", metavar="WORKSPACE_ID")]
Reason = Annotated[str, typer.Option(help="Why; the workspace's owners read it. 1 to 500 characters.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
# What the table calls the columns of the workspace; in JSON they are balances.<name>Micros.
_BALANCES = {
    "available": "credits_micros",
    "reserved": "reserved_micros",
    "charged": "revenue_micros",
    "providerCost": "provider_cost_micros",
    "promo": "promo_micros",
    "clearing": "clearing_micros",
}


@app.command("grant")
def grant(
    workspace: Workspace,
    micros: Annotated[int, typer.Option(help="How many micro-credits; a credit is 1,000,000.")],
    reason: Reason,
    json: AsJson = False,
) -> None:
    """Give a workspace credits. Tasks of it that wait for credits begin within seconds.

    Example: bizq credits grant ws_01h455vb4pex5vsknk084sn02q --micros 5000000 --reason "pilot"
    """
    _print(asyncio.run(_post(workspace, LedgerKind.GRANT, micros, reason)), json)


@app.command("adjust")
def adjust(
    workspace: Workspace,
    micros: Annotated[int, typer.Option(help="How many micro-credits to add, or as a negative number to take.")],
    reason: Reason,
    json: AsJson = False,
) -> None:
    """Put a workspace's balance right. It never becomes negative, and what is held for tasks is not touched.

    Example: bizq credits adjust ws_01h455vb4pex5vsknk084sn02q --micros -250000 --reason "booked twice"
    """
    _print(asyncio.run(_post(workspace, LedgerKind.ADJUSTMENT, micros, reason)), json)


@app.command("show")
def show(workspace: Workspace, json: AsJson = False) -> None:
    """Show a workspace's balances and the newest entries of its ledger.

    Example: bizq credits show ws_01h455vb4pex5vsknk084sn02q
    """
    _print(asyncio.run(_show(workspace)), json)


async def _post(workspace: str, kind: LedgerKind, micros: int, reason: str) -> Purse:
    workspace_id = ids.decode(ids.WORKSPACE, workspace)
    async with as_owner(settings.load()) as engine:
        purse = await service.post(engine, workspace_id, kind, micros, reason) if workspace_id is not None else None
    return _known(workspace, purse)


async def _show(workspace: str) -> Purse:
    workspace_id = ids.decode(ids.WORKSPACE, workspace)
    async with as_owner(settings.load()) as engine:
        purse = await service.show(engine, workspace_id) if workspace_id is not None else None
    return _known(workspace, purse)


def _known(workspace: str, purse: Purse | None) -> Purse:
    if purse is None:
        raise InvalidInput(f"There is no workspace {workspace}. `bizq workspace list` shows them.")
    return purse


def _print(purse: Purse, json: bool) -> None:
    if json:
        print_json(_as_json(purse))
    else:
        view.print_table(_balances(purse))
        view.print_table(_entries(purse))


def _balances(purse: Purse) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("BALANCE", "CREDITS", "MICRO-CREDITS"):
        table.add_column(name, no_wrap=True, justify="left" if name == "BALANCE" else "right")
    for name, column in _BALANCES.items():
        micros = purse.balances[column]
        table.add_row("provider cost" if name == "providerCost" else name, view.credits(micros), str(micros))
    return table


def _entries(purse: Purse) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("ENTRY", "AT", "KIND", "MICRO-CREDITS", "AVAILABLE", "RESERVED", "TASK", "REASON"):
        numeric = name in ("ENTRY", "MICRO-CREDITS", "AVAILABLE", "RESERVED")
        table.add_column(name, no_wrap=True, justify="right" if numeric else "left")
    for entry in purse.entries:
        table.add_row(
            str(entry["seq"]),
            view.moment(entry["created_at"].isoformat()),
            entry["kind"],
            str(entry["amount_micros"]),
            str(entry["available_micros"]),
            str(entry["reserved_micros"]),
            ids.encode(ids.TASK, entry["task_id"]) if entry["task_id"] else "",
            view.plain(entry["reason"] or ""),
        )
    return table


def _as_json(purse: Purse) -> dict[str, Any]:
    return {
        "workspaceId": ids.encode(ids.WORKSPACE, purse.balances["id"]),
        "balances": {f"{name}Micros": purse.balances[column] for name, column in _BALANCES.items()},
        "entries": [
            {
                "number": entry["seq"],
                "at": entry["created_at"].isoformat(),
                "kind": entry["kind"],
                "debit": entry["debit"],
                "credit": entry["credit"],
                "amountMicros": entry["amount_micros"],
                "availableMicros": entry["available_micros"],
                "reservedMicros": entry["reserved_micros"],
                "taskId": ids.encode(ids.TASK, entry["task_id"]) if entry["task_id"] else None,
                "reason": entry["reason"],
            }
            for entry in purse.entries
        ],
    }
