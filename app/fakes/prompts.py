"""Reading requests: vendors write message content as a string or as a list of parts with a `text`."""

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_SCHEMA = re.compile(r"<json_schema>(.*)</json_schema>", re.DOTALL)


def text_of(content: object) -> str:
    if isinstance(content, str):
        return content
    if isinstance(content, Sequence):
        return "\n".join(str(part["text"]) for part in content if isinstance(part, Mapping) and "text" in part)
    return ""


def all_text(messages: Sequence[Mapping[str, Any]]) -> str:
    return "\n".join(text_of(message.get("content")) for message in messages)


def last_user_text(messages: Sequence[Mapping[str, Any]]) -> str:
    """What the answer is made of: the last thing the user said."""
    said = [text_of(message.get("content")) for message in messages if message.get("role") == "user"]
    return said[-1] if said else ""


def are_messages(value: object) -> bool:
    return isinstance(value, list) and bool(value) and all(isinstance(item, Mapping) for item in value)


def schema_in(instructions: str) -> Any:
    """The schema between <json_schema> tags, which the models obey too; None where there is none."""
    told = _SCHEMA.search(instructions)
    return json.loads(told[1]) if told else None


def object_schemas(schema: object) -> Iterator[Mapping[str, Any]]:
    """Every part of a JSON Schema that describes an object, the schema itself included."""
    if isinstance(schema, Mapping):
        if schema.get("type") == "object":
            yield schema
        for part in schema.values():
            yield from object_schemas(part)
    elif isinstance(schema, list):
        for part in schema:
            yield from object_schemas(part)
