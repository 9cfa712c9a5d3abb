"""What `bizq up` says when it is ready: where, with which key, and three things to try."""

import json
import shlex
import sys
from pathlib import Path

from rich.markup import escape

from app.embedded.instance import Instance
from app.settings import Settings

_TEXT = "The parcel arrived three days late because of snow, and the customer wants the shipping fee back."


def banner(instance: Instance, data_dir: Path) -> str:
    """Rich markup. The three lines work when pasted into a shell in this folder."""
    socket = instance.url.replace("http", "ws", 1) + "/graphql"
    lines = [
        "",
        f"  GraphQL    [bold]{instance.url}/graphql[/]",
        f"  WebSocket  [bold]{socket}[/]  (graphql-transport-ws)",
        f"  API key    [bold]{instance.api_key}[/]",
        "",
        "  Try one of these in another terminal:",
        "",
        *(f"  [cyan]{escape(line)}[/]" for line in commands(instance, data_dir)),
        "",
        "  Stop with Ctrl-C.",
    ]
    return "\n".join(lines)


def commands(instance: Instance, data_dir: Path) -> list[str]:
    default = Settings.model_fields["bizq_data_dir"].default
    prefix = "" if data_dir == Path(default).resolve() else f"BIZQ_DATA_DIR={shlex.quote(str(data_dir))} "
    bizq = shlex.quote(str(Path(sys.executable).with_name("bizq")))
    return [
        f"{prefix}{bizq} run text.summarize {shlex.quote(_TEXT)}",
        _curl(instance),
        _web_socket(instance),
    ]


def _curl(instance: Instance) -> str:
    query = "mutation($i: CreateTaskInput!) { createTask(input: $i) { task { id status } errors { message } } }"
    body = {"query": query, "variables": {"i": {"type": "review.classify", "input": {"review": "Great chair!"}}}}
    return (
        f"curl -s {instance.url}/graphql -H 'Content-Type: application/json' "
        f"-H 'Authorization: Bearer {instance.api_key}' -d {shlex.quote(json.dumps(body))}"
    )


def _web_socket(instance: Instance) -> str:
    """The Python of this installation has a WebSocket client; curl and most shells do not."""
    address = instance.url.replace("http", "ws", 1) + "/graphql"
    begin = json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {instance.api_key}"}})
    query = "subscription { taskEvents { kind task { id type status } } }"
    subscribe = json.dumps({"id": "1", "type": "subscribe", "payload": {"query": query}})
    code = (
        "from websockets.sync.client import connect; "
        f"s = connect({address!r}, subprotocols=['graphql-transport-ws']); "
        f"s.send({begin!r}); s.recv(); s.send({subscribe!r}); [print(m) for m in s]"
    )
    # A line has no room for the `with` that the package would like to see.
    return f"{shlex.quote(sys.executable)} -W ignore -c {shlex.quote(code)}"
