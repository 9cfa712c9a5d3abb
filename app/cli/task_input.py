"""From the text of `bizq run` to a task's input, by the template's JSON Schema."""

import json
import shlex
from typing import Any

from app.cli import documents
from app.cli.client import Client
from app.errors import InvalidInput

_PLACEHOLDERS: dict[str, Any] = {"string": "...", "integer": 1, "number": 1, "boolean": True, "object": {}}


async def input_for(client: Client, type: str, text: str) -> Any:
    """A JSON object as it is, else the text in the template's only required field.

    A type that has no template, or one without a schema, takes the text itself. Raises InvalidInput saying which JSON
    a template needs.
    """
    given = _object_in(text)
    if given is not None:
        return given
    found = (await client.execute(documents.TEMPLATES, search=type))["templates"]["nodes"]
    # A workspace's own template goes before the built-in one of the same slug, as it does for the service.
    mine = sorted((item for item in found if item["slug"] == type), key=lambda item: item["creator"] is None)
    schema = mine[0]["latestVersion"]["inputSchema"] if mine else None
    return wrap(type, schema, text) if schema else text


def wrap(type: str, schema: dict[str, Any], text: str) -> dict[str, Any]:
    """Raises InvalidInput unless the schema requires one text and nothing else."""
    required, properties = schema.get("required", []), schema.get("properties", {})
    if len(required) == 1 and properties.get(required[0], {}).get("type") == "string":
        return {required[0]: text}
    example = json.dumps({name: _placeholder(properties.get(name, {})) for name in required}, ensure_ascii=False)
    needs = " and ".join([", ".join(required[:-1]), required[-1]] if len(required) > 1 else required) or "an object"
    raise InvalidInput(f"{type} needs {needs}. Give them as JSON: bizq run {type} {shlex.quote(example)}")


def _object_in(text: str) -> dict[str, Any] | None:
    try:
        value = json.loads(text)
    except ValueError:
        return None
    return value if isinstance(value, dict) else None


def _placeholder(schema: dict[str, Any]) -> Any:
    """A value of the right kind: the first alternative, the first of an enum."""
    if schema.get("enum"):
        return schema["enum"][0]
    for alternative in schema.get("anyOf") or schema.get("oneOf") or ():
        return _placeholder(alternative)
    if schema.get("type") == "array":
        return [_placeholder(schema.get("items", {}))]
    return _PLACEHOLDERS.get(str(schema.get("type")), "...")
