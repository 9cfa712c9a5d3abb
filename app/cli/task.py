"""`bizq task`: list, show, cancel and retry tasks of a workspace."""

import asyncio
from typing import Annotated, Any

import typer
from rich.table import Table

from app import clock
from app.cli import documents, view
from app.cli.client import open_client
from app.cli.console import err, out, print_json
from app.cli.history import past_events
from app.cli.replay import Replay, Revivable
from app.cli.replay_view import replay
from app.cli.states import TaskStatus
from app.cli.when import EXAMPLES, parse_when
from app.errors import InvalidInput

MOST = 100
app = typer.Typer(help="List, show, cancel and retry tasks.", no_args_is_help=True)

TaskId = Annotated[str, typer.Argument(help="Id of the task, such as task_01h455vb4pex5vsknk084sn02q.", metavar="TASK")]
OptionalTaskId = Annotated[str | None, typer.Argument(help="Id of the task; or give --failed-since.", metavar="[TASK]")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON.")]
# In the order of reading, with what is always shown first.
_FACTS = {
    "id": "id", "type": "type", "status": "status", "version": "version", "worker": "worker", "template": "template",
    "createdBy": "created by", "priority": "priority", "complexity": "complexity", "costSensitive": "cost-sensitive",
    "routing": "routing", "progress": "progress", "queuePosition": "queue position", "estimatedStartAt": "starts at",
    "costMicros": "cost", "reservedMicros": "reserved", "tags": "tags", "createdAt": "created", "runAt": "not before",
    "startedAt": "started", "finishedAt": "finished", "cancelRequestedAt": "cancel requested", "wait": "waits for",
    "error": "error",
}  # fmt: skip


@app.command("list")
def list_tasks(
    status: Annotated[
        list[TaskStatus] | None, typer.Option(help="Only in this state; may be repeated.", case_sensitive=False)
    ] = None,
    type: Annotated[list[str] | None, typer.Option(help="Only of this type; may be repeated.")] = None,
    limit: Annotated[int, typer.Option(min=1, max=MOST, help="How many.")] = 25,
    after: Annotated[str | None, typer.Option(help="Go on after this cursor, which the last page ended with.")] = None,
    json: AsJson = False,
) -> None:
    """List tasks, newest first.

    Example: bizq task list --status FAILED --type email.reply
    """
    wanted: dict[str, Any] = {}
    if status:
        wanted["statuses"] = [one.value for one in status]
    if type:
        wanted["types"] = type
    page = _ask(documents.TASKS, first=limit, after=after, filter=wanted)["tasks"]
    if json:
        print_json({"tasks": page["nodes"], "pageInfo": page["pageInfo"]})
        return
    view.print_table(view.tasks_table(page["nodes"], view.terminal_width()))
    if page["pageInfo"]["hasNextPage"]:
        err.print(f"More: --after {page['pageInfo']['endCursor']}", style="dim")


@app.command()
def show(task: TaskId, json: AsJson = False) -> None:
    """Show everything about a task, with its attempts and events.

    Example: bizq task show task_01h455vb4pex5vsknk084sn02q
    """
    found, events = asyncio.run(_whole(task))
    if json:
        print_json({**found, "attempts": found["attempts"]["nodes"], "events": events})
        return
    _print_facts(found)
    _print_part("input", view.output_text(found["input"]))
    if found["metadata"]:
        _print_part("metadata", view.output_text(found["metadata"]))
    if found["output"] is not None:
        _print_part("output", view.output_text(found["output"]))
    elif found["partialOutput"]:
        _print_part("output so far", view.plain(found["partialOutput"]))
    if found["attempts"]["nodes"]:
        _print_part("attempts", _attempts_table(found["attempts"]["nodes"]))
    out.print("\nevents", style="bold")
    for event in events:
        out.print(view.event_line(event))


@app.command()
def cancel(
    task: TaskId,
    reason: Annotated[str | None, typer.Option(help="Why; kept with the task.")] = None,
    json: AsJson = False,
) -> None:
    """Stop a task: at once while nobody works on it, within about a second while somebody does.

    Example: bizq task cancel task_01h455vb4pex5vsknk084sn02q --reason duplicate
    """
    changed = _change(documents.CANCEL_TASK, id=task, reason=reason)
    _report(changed, as_json=json)


@app.command()
def retry(
    task: OptionalTaskId = None,
    failed_since: Annotated[
        str | None, typer.Option(metavar="WHEN", help=f"All that ended since then: {EXAMPLES}.")
    ] = None,
    status: Annotated[
        list[Revivable] | None,
        typer.Option(help="Only ended like this; may be repeated. FAILED by default.", case_sensitive=False),
    ] = None,
    type: Annotated[list[str] | None, typer.Option(help="Only of this type; may be repeated.")] = None,
    error: Annotated[
        list[str] | None,
        typer.Option(metavar="CODE", help="Only with this error, such as worker_lost; may be repeated."),
    ] = None,
    limit: Annotated[int | None, typer.Option(min=1, help="Only so many, the newest.")] = None,
    yes: Annotated[bool, typer.Option("--yes", help="Retry them; without it they are only shown.")] = False,
    json: AsJson = False,
) -> None:
    """Queue a failed, canceled or expired task again, or all that ended since a time, with all their attempts.

    With --failed-since this is a dry run, which shows what would be retried, until --yes is given.

    Example: bizq task retry task_01h455vb4pex5vsknk084sn02q

    Example: bizq task retry --failed-since 2h --error worker_lost
    """
    narrowed = any((status, type, error, limit, yes))
    if task is not None and (failed_since is not None or narrowed):
        raise InvalidInput("Give a TASK, or --failed-since with its filters, not both.")
    if task is not None:
        _report(_change(documents.RETRY_TASK, id=task), as_json=json)
        return
    if failed_since is None:
        raise InvalidInput("Give a TASK, or --failed-since for all that ended since then, such as --failed-since 2h.")
    wanted = Replay(
        since=parse_when(failed_since, clock.now()),
        statuses=tuple(status or [Revivable.FAILED]),
        types=tuple(type or ()),
        errors=tuple(error or ()),
        limit=limit,
    )
    if not replay(wanted, really=yes, as_json=json):
        raise typer.Exit(1)


def _ask(document: str, **variables: Any) -> dict[str, Any]:
    async def ask() -> dict[str, Any]:
        async with open_client() as client:
            return await client.execute(document, **variables)

    return asyncio.run(ask())


def _change(document: str, **variables: Any) -> dict[str, Any]:
    async def change() -> dict[str, Any]:
        async with open_client() as client:
            task: dict[str, Any] = (await client.mutate(document, **variables))["task"]
            return task

    return asyncio.run(change())


async def _whole(task_id: str) -> tuple[dict[str, Any], list[dict[str, Any]]]:
    async with open_client() as client:
        task: dict[str, Any] = (await client.execute(documents.TASK, id=task_id))["task"]
        return task, (await past_events(client, task_id))[1]


def _report(task: dict[str, Any], *, as_json: bool) -> None:
    if as_json:
        print_json(task)
        return
    what = "will stop within about a second" if task["status"] == TaskStatus.RUNNING else f"is {task['status']}"
    out.print(f"{task['id']} {what}")


def _print_facts(task: dict[str, Any]) -> None:
    table = Table(box=None, show_header=False, pad_edge=False)
    table.add_column(no_wrap=True, style="bold")
    table.add_column(overflow="fold")
    for name, label in _FACTS.items():
        if task[name] not in (None, [], False) and not (name == "reservedMicros" and int(task[name]) == 0):
            table.add_row(label, view.status(task[name]) if name == "status" else view.plain(_fact(name, task[name])))
    view.print_table(table)


def _fact(name: str, value: Any) -> str:
    match name:
        case "costMicros" | "reservedMicros":
            return f"{view.credits(value)} credits"
        case "createdBy" | "worker":
            return f"{value['name']} ({value['id']})"
        case "template":
            return f"{value['template']['slug']}, version {value['number']} ({value['template']['id']})"
        case "routing":
            fallbacks = f"; else {', '.join(value['fallbacks'])}" if value["fallbacks"] else ""
            return f"{value['provider']}/{value['model']} ({value['tier']}): {'; '.join(value['reasons'])}{fallbacks}"
        case "error":
            return f"{value['message']} ({value['code']})"
        case "wait":
            return f"{value['reason']} until {value['deadline'] or 'it is answered'}, then {value['onTimeout']}"
        case "tags":
            return ", ".join(value)
        case "createdAt" | "runAt" | "startedAt" | "finishedAt" | "cancelRequestedAt" | "estimatedStartAt":
            return view.moment(value)
        case "costSensitive":
            return "yes"
    return str(value)


def _attempts_table(attempts: list[dict[str, Any]]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="dim")
    for name in ("#", "STATUS", "MODEL", "TOKENS IN", "OUT", "CREDITS", "STARTED", "ERROR"):
        table.add_column(name, no_wrap=name not in ("MODEL", "ERROR"))
    for item in attempts:
        table.add_row(
            str(item["number"]),
            view.status(item["status"]),
            view.plain(f"{item['provider']}/{item['model']}" if item["provider"] else "–"),
            _number(item["inputTokens"]),
            _number(item["outputTokens"]),
            view.credits(item["costMicros"]),
            view.moment(item["startedAt"]),
            view.plain(item["error"]["message"] if item["error"] else ""),
        )
    return table


def _number(value: int | None) -> str:
    return "–" if value is None else str(value)


def _print_part(title: str, content: Any) -> None:
    out.print(f"\n{title}", style="bold")
    if isinstance(content, Table):
        view.print_table(content)
    else:
        out.print(content)
