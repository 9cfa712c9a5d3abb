"""`bizq run`: one task from the command line, watched to its end."""

import asyncio
import sys
from collections.abc import AsyncGenerator
from contextlib import aclosing, suppress
from typing import Annotated, Any

import typer
from rich.console import Group
from rich.live import Live
from rich.spinner import Spinner
from rich.text import Text

from app.cli import documents, live, view
from app.cli.client import Client, open_client
from app.cli.console import err, out, print_json
from app.cli.states import TaskComplexity, TaskStatus
from app.cli.task_input import input_for
from app.errors import AppError, ErrorCode

FROM_STANDARD_INPUT = "-"
INTERRUPTED = 130
_TAIL_CHARACTERS = 2_000


class NotSucceeded(AppError):
    """The task has ended without output."""

    code = ErrorCode.INVALID_STATE


def run(
    type: Annotated[str, typer.Argument(help="What kind of work: a template's slug, such as email.reply.")],
    text: Annotated[
        str,
        typer.Argument(
            help='What it works on: plain text, or a JSON object as the whole input. "-" reads standard input.'
        ),
    ],
    priority: Annotated[int, typer.Option(min=1, max=9, help="1 goes first, 9 last.")] = 5,
    complexity: Annotated[
        TaskComplexity, typer.Option(help="How hard it is: HIGH prefers the strongest model.", case_sensitive=False)
    ] = TaskComplexity.NORMAL,
    high: Annotated[bool, typer.Option("--high", help="Short for --complexity HIGH.")] = False,
    cost_sensitive: Annotated[bool, typer.Option("--cost-sensitive", help="Prefer a cheap model.")] = False,
    wait: Annotated[bool, typer.Option("--wait/--no-wait", help="Watch it to its end, or only create it.")] = True,
    json: Annotated[bool, typer.Option("--json", help="Print the task as JSON.")] = False,
) -> None:
    """Create a task, watch it live and print what comes out.

    Exit code 0 only when it has succeeded.

    Example: bizq run email.reply "Where is my order 1234? Anna"
    """
    draft = {
        "type": type,
        "priority": priority,
        "complexity": (TaskComplexity.HIGH if high else complexity).value,
        "costSensitive": cost_sensitive,
    }
    if text == FROM_STANDARD_INPUT:
        text = sys.stdin.read()
    errand = _Errand(draft, text, as_json=json)
    try:
        asyncio.run(errand.run(wait=wait))
    except KeyboardInterrupt:
        if errand.task_id is not None:
            err.print(
                f"{errand.task_id} goes on without you. Watch it: bizq watch {errand.task_id}   "
                f"Stop it: bizq task cancel {errand.task_id}"
            )
        raise typer.Exit(INTERRUPTED) from None


class _Errand:
    def __init__(self, draft: dict[str, Any], text: str, *, as_json: bool) -> None:
        self.task_id: str | None = None
        self._draft = draft
        self._text = text
        self._as_json = as_json

    async def run(self, *, wait: bool) -> None:
        async with open_client() as client:
            value = await input_for(client, self._draft["type"], self._text)
            created = (await client.mutate(documents.CREATE_TASK, input={**self._draft, "input": value}))["task"]
            self.task_id = created["id"]
            if wait:
                await self._watch(client, created)
            task = (await client.execute(documents.TASK, id=created["id"]))["task"]
        self._report(task, waited=wait)

    async def _watch(self, client: Client, created: dict[str, Any]) -> None:
        if self._as_json or not view.screen.is_terminal:
            async with aclosing(_events(client, created["id"])) as events:
                async for event in events:
                    if not self._as_json:
                        err.print(view.event_line(event))
            return
        picture = _Picture(created)
        with Live(picture, console=view.screen, transient=True, refresh_per_second=12):
            writing = asyncio.create_task(_follow_output(client, created["id"], picture))
            try:
                async with aclosing(_events(client, created["id"])) as events:
                    async for event in events:
                        picture.task = event["task"]
            finally:
                writing.cancel()
                with suppress(asyncio.CancelledError):
                    await writing

    def _report(self, task: dict[str, Any], *, waited: bool) -> None:
        if self._as_json:
            print_json(task)
        elif not waited:
            out.print(task["id"])
        elif task["status"] == TaskStatus.SUCCEEDED:
            err.print(view.plain(f"{task['id']} {view.doing(task)}", "dim"))
            out.print(view.output_text(task["output"]))
        if waited and task["status"] != TaskStatus.SUCCEEDED:
            why = f": {task['error']['message']}" if task["error"] else "."
            raise NotSucceeded(f"{task['id']} is {task['status']}{why} Try it again: bizq task retry {task['id']}")


class _Picture:
    """What the terminal shows while a task runs: one line of status, and the end of the text so far."""

    def __init__(self, task: dict[str, Any]) -> None:
        self.task = task
        self.text = ""
        self._spinner = Spinner("dots")

    def __rich__(self) -> Group:
        line = Text.assemble(
            f"{self.task['id']} ", view.status(self.task["status"]), " ", view.plain(view.doing(self.task))
        )
        self._spinner.update(text=line)
        height = max(1, view.screen.height - 3)
        lines = view.plain(self.text[-_TAIL_CHARACTERS:]).wrap(view.screen, view.screen.width)
        return Group(self._spinner, *lines[-height:])


def _events(client: Client, task_id: str) -> AsyncGenerator[dict[str, Any], None]:
    return live.events(client, live.Patience(live.PATIENCE_SECONDS, live.say_lost), task_id=task_id)


async def _follow_output(client: Client, task_id: str, picture: _Picture) -> None:
    # The events tell of a lost connection already.
    patience = live.Patience(live.PATIENCE_SECONDS, lambda: None)
    async with aclosing(live.output(client, patience, task_id)) as texts:
        async for text in texts:
            picture.text = text
