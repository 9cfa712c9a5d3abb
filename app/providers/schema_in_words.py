"""A JSON Schema as a part of the instructions: for what cannot be enforced, and for who may not enforce it."""

import json
from collections.abc import Mapping
from typing import Any

_INSTRUCTION = (
    "Answer with one JSON value and nothing else: no prose, no code fence. "
    "It must be valid against this JSON Schema:\n"
    "<json_schema>\n{schema}\n</json_schema>"
)


def with_schema(system: str, schema: Mapping[str, Any]) -> str:
    """The instructions with the schema at their end."""
    return f"{system}\n\n{_INSTRUCTION.format(schema=json.dumps(schema))}".lstrip()
