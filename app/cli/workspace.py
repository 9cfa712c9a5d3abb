"""`bizq workspace`: each workspace's share of the queue and its plan, for whoever operates the installation."""

import asyncio
from typing import Annotated, Literal

import typer
from rich.table import Table

from app import ids, settings
from app.cli import view
from app.cli.console import print_json
from app.cli.owner import as_owner
from app.errors import InvalidInput
from app.models.workspace import MAX_CONCURRENCY, MAX_WEIGHT
from app.services.workspace import shares
from app.services.workspace.shares import DEFAULT, Share
from app.settings import Settings

app = typer.Typer(
    help="List workspaces, set their share of the queue and their plan (on the database).", no_args_is_help=True
)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]


@app.command("list")
def list_workspaces(json: AsJson = False) -> None:
    """List every workspace with its share of the queue and what it has in it.

    Example: bizq workspace list
    """
    found = asyncio.run(_list())
    if json:
        print_json({"workspaces": [_as_json(share) for share in found]})
    else:
        view.print_table(_table(found))


@app.command("set")
def set_share(
    workspace: Annotated[str, typer.Argument(help="Id of the workspace.", metavar="WORKSPACE")],
    weight: Annotated[
        int | None,
        typer.Option(help=f"How many of its tasks may start in each round of the queue: 1 to {MAX_WEIGHT}."),
    ] = None,
    concurrency: Annotated[
        str | None,
        typer.Option(
            metavar="N|default",
            help=f"How many of its tasks may run at once: 1 to {MAX_CONCURRENCY}, or default for what the "
            "installation gives everybody.",
        ),
    ] = None,
    plan: Annotated[
        str | None, typer.Option(help="Its plan, which says how many requests it may send: one of BIZQ_RATE_PLANS.")
    ] = None,
    json: AsJson = False,
) -> None:
    """Change a workspace's share of the queue, or its plan. It counts from now on; what runs goes on.

    Example: bizq workspace set ws_01h455vb4pex5vsknk084sn02q --weight 4 --concurrency 50 --plan PRO
    """
    loaded = settings.load()
    limit, plans = _limit(concurrency), loaded.bizq_rate_plans
    wanted = shares.changes(weight=weight, concurrency=limit, plan=plan, plans=plans)
    if not wanted:
        raise InvalidInput("Give at least one of --weight, --concurrency and --plan, such as --weight 4.")
    share = asyncio.run(_set(loaded, workspace, wanted))
    if json:
        print_json(_as_json(share))
    else:
        view.print_table(_table([share]))


def _limit(text: str | None) -> int | Literal["default"] | None:
    if text is None:
        return None
    if text == DEFAULT:
        return DEFAULT
    try:
        return int(text)
    except ValueError:
        raise InvalidInput(f"concurrency is {text}; it can be 1 to {MAX_CONCURRENCY}, or {DEFAULT}.") from None


async def _list() -> list[Share]:
    async with as_owner(settings.load()) as engine:
        return list(await shares.list_shares(engine))


async def _set(loaded: Settings, workspace: str, wanted: dict[str, int | str | None]) -> Share:
    workspace_id = ids.decode(ids.WORKSPACE, workspace)
    async with as_owner(loaded) as engine:
        share = await shares.change_share(engine, workspace_id, wanted) if workspace_id is not None else None
    if share is None:
        raise InvalidInput(f"There is no workspace {workspace}. `bizq workspace list` shows them.")
    return share


def _table(found: list[Share]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("ID", "NAME", "PLAN", "WEIGHT", "CONCURRENCY", "QUEUED", "RUNNING"):
        table.add_column(name, no_wrap=True, justify="left" if name in ("ID", "NAME", "PLAN") else "right")
    for share in found:
        table.add_row(
            ids.encode(ids.WORKSPACE, share.workspace_id),
            view.plain(share.name),
            share.plan,
            str(share.weight),
            DEFAULT if share.concurrency is None else str(share.concurrency),
            str(share.queued),
            str(share.running),
        )
    return table


def _as_json(share: Share) -> dict[str, object]:
    return {
        "id": ids.encode(ids.WORKSPACE, share.workspace_id),
        "name": share.name,
        "plan": share.plan,
        "weight": share.weight,
        "concurrency": share.concurrency,
        "queued": share.queued,
        "running": share.running,
    }
