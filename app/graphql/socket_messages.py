"""What a client may say on a socket: github.com/enisdenjo/graphql-ws, PROTOCOL.md, message types from the client.

An `id` is a string with something in it. A `payload` is an object; where it may be left out it may be null as well.
"""

from collections.abc import Mapping
from typing import Any

from app.graphql.requests import names_document

# RFC 6455: a control frame has 125 bytes, of which the close code takes two.
LONGEST_REASON = 123
_WITH_OPTIONAL_PAYLOAD = {"connection_init", "ping", "pong"}


def complaint(message: object) -> str | None:
    """Why this is no message of the protocol, or None. Of a document it is known only that there is something."""
    if not isinstance(message, dict):
        return "A message is a JSON object"
    kind, payload = message.get("type"), message.get("payload")
    if kind in _WITH_OPTIONAL_PAYLOAD:
        return None if isinstance(payload, dict | None) else "The payload is not an object"
    if kind not in ("subscribe", "complete"):
        return "Not a message type of graphql-transport-ws"
    if not isinstance(message.get("id"), str) or not message["id"]:
        return "The id is not a string, or empty"
    if kind == "complete":
        return None
    return _complaint_of_request(payload) if isinstance(payload, dict) else "The payload is not an object"


def _complaint_of_request(payload: Mapping[str, Any]) -> str | None:
    for name, kind in (("query", str), ("operationName", str), ("variables", dict), ("extensions", dict)):
        if not isinstance(payload.get(name), kind | None):
            return f"{name} is not {'an object' if kind is dict else 'a string'}"
    return None if payload.get("query") or names_document(payload) else "The query is missing"


def reason(text: str) -> str:
    """As much of it as a close frame can carry."""
    return text.encode()[:LONGEST_REASON].decode(errors="ignore")
