"""A WebSocket with one subscription to a workspace, as bare as possible: for clients who misbehave or only count."""

import json

import websockets

SELECTION = "seq kind cursor at task { id status type attemptCount }"
_WATCH = f"subscription($after: String) {{ taskEvents(after: $after) {{ {SELECTION} }} }}"
_PROTOCOL = websockets.Subprotocol("graphql-transport-ws")


async def subscribe(
    url: str, token: str, after: str | None = None, *, room: int | None = None
) -> websockets.ClientConnection:
    """The next message is the first event. Who does not call `recv` stops reading after `room` messages."""
    socket = await websockets.connect(
        url.replace("http", "ws", 1) + "/graphql",
        subprotocols=[_PROTOCOL],
        compression=None,
        max_queue=room,
        # Whether the service answers is not the question here.
        ping_interval=None,
        proxy=None,
    )
    await socket.send(json.dumps({"type": "connection_init", "payload": {"authorization": f"Bearer {token}"}}))
    assert json.loads(await socket.recv())["type"] == "connection_ack"
    variables = {"after": after}
    await socket.send(
        json.dumps({"id": "1", "type": "subscribe", "payload": {"query": _WATCH, "variables": variables}})
    )
    return socket
