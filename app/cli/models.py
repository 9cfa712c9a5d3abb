"""`bizq models`: the catalogue of models, for whoever operates the installation."""

import asyncio
from collections.abc import Sequence
from typing import Annotated, Any

import typer
from rich.table import Table
from sqlalchemy import RowMapping

from app import settings
from app.cli import view
from app.cli.console import print_json
from app.cli.owner import as_owner
from app.models.ai_model import CAPABILITIES
from app.services.routing import edit
from app.services.routing.edit import ModelChange

app = typer.Typer(help="Show and change the catalogue of models (on the database).", no_args_is_help=True)
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
_PER_MILLION = "in micro-credits per million tokens"


@app.command("list")
def list_models(json: AsJson = False) -> None:
    """List every model with what it can do and costs, in micro-credits per million tokens.

    A name of * stands for all models of the provider that have no row.

    Example: bizq models list
    """
    found = asyncio.run(_list())
    if json:
        print_json({"models": [_as_json(row) for row in found]})
    else:
        view.print_table(_table(found))


@app.command("set")
def set_model(
    provider: Annotated[str, typer.Argument(help="Such as openai.", metavar="PROVIDER")],
    name: Annotated[str, typer.Argument(help="The model's name at the provider, or *.", metavar="NAME")],
    input_price: Annotated[int | None, typer.Option(help=f"Of input, {_PER_MILLION}.")] = None,
    output_price: Annotated[int | None, typer.Option(help=f"Of output, {_PER_MILLION}.")] = None,
    cached_input_price: Annotated[
        int | None, typer.Option(help=f"Of input that the provider had cached, {_PER_MILLION}.")
    ] = None,
    context: Annotated[int | None, typer.Option(help="How many tokens it takes, input and output together.")] = None,
    max_output: Annotated[int | None, typer.Option(help="How many tokens it gives at most.")] = None,
    capability: Annotated[
        list[str] | None, typer.Option(help=f"What it can do: {', '.join(CAPABILITIES)}. Repeat it; replaces all.")
    ] = None,
    alias: Annotated[
        list[str] | None, typer.Option(help='Another name for it. Repeat it; replaces all, and "" leaves none.')
    ] = None,
    successor: Annotated[
        str | None, typer.Option(help='The model that takes its place while it is disabled; "" for none.')
    ] = None,
    enable: Annotated[bool | None, typer.Option("--enable/--disable", help="Whether tasks may be given to it.")] = None,
    json: AsJson = False,
) -> None:
    """Add a model, or change what is given of one. It counts for tasks from two seconds on.

    What has been accepted before keeps its price.

    Example: bizq models set openai gpt-6-luna --input-price 90000 --output-price 450000
    """
    change = ModelChange(
        provider=provider,
        name=name,
        input_price=input_price,
        output_price=output_price,
        cached_input_price=cached_input_price,
        context_tokens=context,
        max_output_tokens=max_output,
        capabilities=capability,
        aliases=alias,
        successor=successor,
        enabled=enable,
    )
    row = asyncio.run(_set(change))
    if json:
        print_json(_as_json(row))
    else:
        view.print_table(_table([row]))


async def _list() -> Sequence[RowMapping]:
    async with as_owner(settings.load()) as engine:
        return await edit.list_models(engine)


async def _set(change: ModelChange) -> RowMapping:
    async with as_owner(settings.load()) as engine:
        return await edit.set_model(engine, change)


def _table(found: Sequence[RowMapping]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    numbers = ("INPUT", "OUTPUT", "CACHED", "CONTEXT", "MAX OUTPUT")
    for name in ("PROVIDER", "MODEL", *numbers, "CAPABILITIES", "STATE", "ALIASES"):
        table.add_column(name, no_wrap=True, justify="right" if name in numbers else "left")
    for row in found:
        successor = f", then {row['successor']}" if row["successor"] else ""
        table.add_row(
            row["provider"],
            view.plain(row["name"]),
            *(str(row[name]) for name in ("input_price", "output_price", "cached_input_price")),
            *(str(row[name]) for name in ("context_tokens", "max_output_tokens")),
            " ".join(row["capabilities"]),
            view.plain(("enabled" if row["enabled"] else "disabled") + successor),
            view.plain(" ".join(row["aliases"])),
        )
    return table


def _as_json(row: RowMapping) -> dict[str, Any]:
    return {
        "provider": row["provider"],
        "name": row["name"],
        "aliases": row["aliases"],
        "inputPriceMicros": row["input_price"],
        "outputPriceMicros": row["output_price"],
        "cachedInputPriceMicros": row["cached_input_price"],
        "contextTokens": row["context_tokens"],
        "maxOutputTokens": row["max_output_tokens"],
        "capabilities": row["capabilities"],
        "successor": row["successor"],
        "enabled": row["enabled"],
        "changedAt": row["changed_at"].isoformat(),
    }
