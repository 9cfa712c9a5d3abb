"""JSON Schema as structured output takes it: closed objects, every property required, few keywords.

Source: OpenAI "Structured Outputs", section "Supported schemas", and Claude "Structured outputs", section
"JSON Schema limitations", both read 2026-11.
"""

from collections.abc import Mapping
from typing import Any

_KEPT = {
    *("type", "enum", "const", "description", "title", "$ref", "required", "additionalProperties", "pattern"),
    *("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum", "multipleOf", "minItems", "maxItems"),
}
# Left out without harm: the answer is validated against the whole schema afterwards.
_DROPPED = {
    *("$schema", "$id", "$comment", "default", "examples"),
    *("format", "minLength", "maxLength", "uniqueItems"),
}
_NESTED_MAPS = {"properties", "$defs"}
_SAYS_WHAT_IT_IS = {"type", "enum", "const", "anyOf", "$ref"}


def strict_schema(schema: Mapping[str, Any]) -> dict[str, Any] | None:
    """The schema narrowed to what strict mode enforces: what fits it fits `schema`, but for dropped limits.

    None when strict mode cannot express it: maps with free keys, oneOf, conditions, a root that is no object.
    """
    return _strict(schema) if schema.get("type") == "object" else None


def _strict(schema: Any) -> dict[str, Any] | None:
    if not isinstance(schema, Mapping) or _SAYS_WHAT_IT_IS.isdisjoint(schema):
        return None
    strict: dict[str, Any] = {}
    for keyword, value in schema.items():
        if keyword in _DROPPED:
            continue
        narrowed = _narrowed(keyword, value)
        if narrowed is None:
            return None
        strict[keyword] = narrowed
    return _closed(strict) if _is_object(schema) else strict


def _closed(strict: dict[str, Any]) -> dict[str, Any] | None:
    """The object with nothing optional; None for a map whose keys the schema does not name."""
    names = list(strict.get("properties", ()))
    if not names or not set(strict.get("required", ())).issubset(names):
        return None
    return strict | {"required": names, "additionalProperties": False}


def _narrowed(keyword: str, value: Any) -> Any:
    """The keyword's value in strict form, None where there is none."""
    if keyword in _NESTED_MAPS:
        children = {name: _strict(child) for name, child in value.items()}
        return None if None in children.values() else children
    if keyword == "anyOf":
        variants = [_strict(child) for child in value]
        return None if None in variants else variants
    if keyword == "items":
        return _strict(value)
    return value if keyword in _KEPT else None


def _is_object(schema: Mapping[str, Any]) -> bool:
    declared = schema.get("type")
    return declared == "object" or (isinstance(declared, list) and "object" in declared)
