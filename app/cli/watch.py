"""`bizq watch`: the workspace's tasks live, or one task's events."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated, Any

import orjson
import typer
from rich.console import Console
from rich.live import Live
from rich.table import Table

from app.cli import documents, live, view
from app.cli.client import Client, open_client
from app.cli.console import out
from app.cli.history import past_events
from app.cli.states import ENDED

MOST_TASKS = 100
# Of the board as it begins: what a first plan has the points for.
FIRST_TASKS = 30
_TABLE_MARGIN = 3


def watch(
    task: Annotated[str | None, typer.Argument(help="Id of a task; without it, the whole workspace.")] = None,
    json: Annotated[bool, typer.Option("--json", help="Print one line of JSON for each event.")] = False,
) -> None:
    """Watch tasks live: a table of the workspace, or one task's events.

    A lost connection is opened again, and no event is lost.

    Example: bizq watch

    Example: bizq watch task_01h455vb4pex5vsknk084sn02q --json
    """
    try:
        asyncio.run(_watch(task, as_json=json))
    except KeyboardInterrupt:
        # How one leaves a live view.
        raise typer.Exit(0) from None


async def _watch(task_id: str | None, *, as_json: bool) -> None:
    async with open_client() as client:
        if task_id is not None:
            events = _of_task(client, task_id)
        elif as_json or not out.is_terminal:
            events = live.events(client, live.Patience(live.FOR_EVER, live.say_lost))
        else:
            await _show_workspace(client)
            return
        async with aclosing(events):
            async for event in events:
                _print_event(event, as_json=as_json, with_id=task_id is None)


async def _of_task(client: Client, task_id: str) -> AsyncGenerator[dict[str, Any], None]:
    """What has happened to a task, then what happens, until its end."""
    status, events = await past_events(client, task_id)
    for event in events:
        yield event
    if status in ENDED:
        return
    patience = live.Patience(live.FOR_EVER, live.say_lost)
    async with aclosing(live.events(client, patience, task_id=task_id, after=events[-1]["cursor"])) as following:
        async for event in following:
            yield event


async def _show_workspace(client: Client) -> None:
    board = Board()
    patience = live.Patience(live.FOR_EVER, board.lost)
    with Live(board, console=board.console, screen=True, refresh_per_second=4):
        async with aclosing(live.events(client, patience)) as events:
            async for event in events:
                board.notice = None
                if event["kind"] == "SNAPSHOT":
                    # The stream is open: what the list does not have yet, it will bring.
                    page = await client.execute(documents.TASKS, first=FIRST_TASKS)
                    board.tasks = {task["id"]: task for task in page["tasks"]["nodes"]}
                else:
                    board.put(event["task"])


class Board:
    """The newest tasks, as many as the terminal is high."""

    def __init__(self) -> None:
        self.console = Console(highlight=False)
        self.tasks: dict[str, dict[str, Any]] = {}
        self.notice: str | None = None

    def lost(self) -> None:
        self.notice = live.LOST

    def put(self, task: dict[str, Any]) -> None:
        known = self.tasks.get(task["id"])
        if known is None or known["version"] <= task["version"]:
            self.tasks[task["id"]] = task
        # Ids sort by creation.
        for oldest in sorted(self.tasks)[: max(0, len(self.tasks) - MOST_TASKS)]:
            del self.tasks[oldest]

    def __rich__(self) -> Table:
        newest = sorted(self.tasks.values(), key=lambda task: str(task["id"]), reverse=True)
        shown = newest[: max(1, self.console.height - _TABLE_MARGIN)]
        table = view.tasks_table(shown, self.console.width)
        table.caption = self.notice or ("Ctrl-C ends the view" if newest else "no tasks yet")
        table.caption_justify = "left"
        return table


def _print_event(event: dict[str, Any], *, as_json: bool, with_id: bool) -> None:
    if as_json:
        sys.stdout.write(orjson.dumps(event).decode() + "\n")
        sys.stdout.flush()
    else:
        out.print(view.event_line(event, with_id=with_id))
