"""Says in words where a value does not fit its schema, and what was expected there.

Words come from the schema alone: the value may be large, or nobody's business.
"""

import json
from collections.abc import Iterable
from typing import Any, NamedTuple

from jsonschema.exceptions import SchemaError, ValidationError

MAX_MESSAGE = 200

_LONGEST_NAME = 64
_LONGEST_LIST = 110
_LONGEST_QUOTE = 80
_TYPES = {
    "string": "text",
    "number": "a number",
    "integer": "a whole number",
    "boolean": "true or false",
    "object": "an object",
    "array": "a list",
    "null": "null",
}
_SENTENCES = {
    "minLength": "must have at least {} characters",
    "maxLength": "must have at most {} characters",
    "pattern": "must match {}",
    "minimum": "must be at least {}",
    "maximum": "must be at most {}",
    "exclusiveMinimum": "must be more than {}",
    "exclusiveMaximum": "must be less than {}",
    "multipleOf": "must be a multiple of {}",
    "minItems": "must have at least {} items",
    "maxItems": "must have at most {} items",
    "uniqueItems": "must not hold an item twice",
    "minProperties": "must have at least {} fields",
    "maxProperties": "must have at most {} fields",
}


class Problem(NamedTuple):
    """Where a value does not fit, from the root of the value, and what was expected there."""

    path: tuple[str, ...]
    expected: str


def problem_of(error: ValidationError) -> Problem:
    """What the caller can act on: of alternatives that all failed, the complaint that reaches deepest."""
    error = _innermost(error)
    path = [str(step) for step in error.absolute_path]
    wanted: Any = error.validator_value
    given: Any = error.instance
    if error.validator == "required":
        path.append(next(name for name in wanted if name not in given))
        return Problem(_named(path), "is required")
    if error.validator == "additionalProperties" and wanted is False:
        schema: Any = error.schema
        known = schema.get("properties", {})
        path.append(next(name for name in given if name not in known))
        return Problem(_named(path), _among("is unknown; known are", known))
    return Problem(_named(path), expected(error))


def expected(error: ValidationError | SchemaError) -> str:
    """What should have been there, as the rest of a sentence."""
    wanted: Any = error.validator_value
    match error.validator:
        case "type":
            names = [wanted] if isinstance(wanted, str) else wanted
            return "must be " + " or ".join(_TYPES[name] for name in names)
        case "enum":
            return _among("must be one of", wanted)
        case "const":
            return f"must be {_quoted(wanted)}"
        case "anyOf" | "oneOf":
            return "must be one of the forms that the schema allows"
        case None:  # the schema here is `false`
            return "is not allowed"
    sentence = _SENTENCES.get(str(error.validator))
    return sentence.format(_quoted(wanted)) if sentence else f"does not fit the schema's {error.validator}"


def shortened(text: str, longest: int = MAX_MESSAGE) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"


def _innermost(error: ValidationError) -> ValidationError:
    while error.context:
        deepest = max(error.context, key=lambda inner: len(inner.absolute_path))
        if len(deepest.absolute_path) == len(error.absolute_path):
            return error
        error = deepest
    return error


def _among(words: str, options: Iterable[Any]) -> str:
    listed = ", ".join(_quoted(option) for option in options)
    return shortened(f"{words} {listed or 'none'}", _LONGEST_LIST)


def _named(path: Iterable[str]) -> tuple[str, ...]:
    """The path; a name that the caller chose may have any length."""
    return tuple(shortened(step, _LONGEST_NAME) for step in path)


def _quoted(value: Any) -> str:
    return shortened(json.dumps(value, ensure_ascii=False), _LONGEST_QUOTE)
