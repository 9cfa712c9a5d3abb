"""JSON Schema 2020-12 for what goes into a task and what comes out of it.

Schemas come from customers, so nothing in one may cost more than a known amount or reach outside:
- `$ref` leads to a place in the same schema, never elsewhere, and never back to itself (recursion could
  double the work at every step); nothing is ever fetched;
- every check has a budget of steps, because `allOf` inside `items` multiplies;
- `pattern` is matched by our own linear matcher (see `pattern`), and `patternProperties` is refused,
  because jsonschema would match it with `re` in places that cannot be replaced.

One keyword is ours: an object of an output schema with `"x-bizq-properties-from": "fields"` has one
required property for each text in `input.fields`, each described by that object's `additionalProperties`.
`resolve_output_schema` writes them out; what it returns is plain JSON Schema, and that is what a provider
gets and what an answer is checked against.
"""

from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import orjson
from jsonschema import Draft202012Validator, FormatChecker
from jsonschema.exceptions import SchemaError
from jsonschema.protocols import Validator

from app.errors import InvalidInput
from app.services.template.bounded_validation import (
    OutOfSteps,
    bounded_validator,
    compiled_pattern,
    first_error,
)
from app.services.template.pattern import PatternTooLarge
from app.services.template.pattern_syntax import PatternSyntaxError
from app.services.template.problem import Problem, expected, problem_of, shortened
from app.services.template.schema_tree import check_references, parts_of

MAX_SCHEMA_BYTES = 65_536
MAX_SCHEMA_DEPTH = 32
COMPILED_SCHEMAS = 512
PROPERTIES_FROM = "x-bizq-properties-from"

_DIALECT = "https://json-schema.org/draft/2020-12/schema"
_REFUSED = ("$id", "$dynamicRef", "$recursiveRef", "patternProperties")
_LONGEST_PATH = 80


def check_schema(schema: object, path: tuple[str, ...]) -> None:
    """Raises InvalidInput under `path` unless this is a JSON Schema we can work with; limits are named."""
    try:
        _compiled(orjson.dumps(schema))
    except (orjson.JSONEncodeError, RecursionError):
        raise InvalidInput("The schema is not valid JSON.", path) from None
    except InvalidInput as error:
        raise InvalidInput(error.message, (*path, *error.path)) from None


def check_input(schema: Mapping[str, Any], value: Any, path: tuple[str, ...] = ("input",)) -> None:
    """Raises InvalidInput whose path leads to the field at fault, a missing or unknown one included."""
    try:
        problem = find_problem(schema, value)
    except InvalidInput as error:
        raise InvalidInput(error.message, path) from None
    if problem is not None:
        where = (*path, *problem.path)
        raise InvalidInput(shortened(f"{shortened('.'.join(where), _LONGEST_PATH)} {problem.expected}."), where)


def find_problem(schema: Mapping[str, Any], value: Any) -> Problem | None:
    """The first thing that does not fit, or None. Raises InvalidInput for a schema that we refuse."""
    try:
        validator = _compiled(orjson.dumps(schema))
        error = first_error(validator, value)
        return None if error is None else problem_of(error)
    except orjson.JSONEncodeError:
        raise InvalidInput("The schema is not valid JSON.") from None
    except OutOfSteps:
        return Problem((), "takes too many steps to check: send less, or simplify the schema")
    except (RecursionError, ArithmeticError, ValueError):
        # Values nested without reason, numbers beyond any measure.
        return Problem((), "nests too deep or holds a number too large to check")


def resolve_output_schema(schema: Mapping[str, Any], input: Any) -> dict[str, Any]:
    """The schema with what depends on the input written out."""
    resolved: dict[str, Any] = _resolved(schema, input)
    return resolved


def _resolved(node: Any, input: Any) -> Any:
    if isinstance(node, list):
        return [_resolved(item, input) for item in node]
    if not isinstance(node, Mapping):
        return node
    result = {key: _resolved(value, input) for key, value in node.items() if key != PROPERTIES_FROM}
    source = node.get(PROPERTIES_FROM)
    names = input.get(source) if isinstance(source, str) and isinstance(input, Mapping) else None
    if isinstance(names, list) and names and all(isinstance(name, str) for name in names):
        described = result.get("additionalProperties", True)
        result["properties"] = dict.fromkeys(names, described)
        result["required"] = list(result["properties"])
        result["additionalProperties"] = False
    return result


@lru_cache(maxsize=COMPILED_SCHEMAS)
def _compiled(encoded: bytes) -> Validator:
    if len(encoded) > MAX_SCHEMA_BYTES:
        raise InvalidInput(f"The schema is {len(encoded)} bytes; the limit is {MAX_SCHEMA_BYTES}.")
    schema = orjson.loads(encoded)
    if not isinstance(schema, dict):
        raise InvalidInput("A schema is a JSON object.")
    _check_depth(schema)
    try:
        Draft202012Validator.check_schema(schema, format_checker=FormatChecker(formats=()))
    except SchemaError as error:
        where = tuple(str(step) for step in error.absolute_path)
        # Of several allowed forms the metaschema names the plainest first.
        cause = error.context[0] if error.context else error
        raise InvalidInput(
            shortened(f"This is not JSON Schema 2020-12: a value here {expected(cause)}."), where
        ) from None
    _check_parts(schema)
    return bounded_validator(schema)


def _check_depth(schema: dict[str, Any]) -> None:
    level: list[Any] = [schema]
    for _ in range(MAX_SCHEMA_DEPTH):
        level = [
            child
            for node in level
            for child in (node.values() if isinstance(node, dict) else node if isinstance(node, list) else ())
        ]
    if level:
        raise InvalidInput(f"The schema nests deeper than {MAX_SCHEMA_DEPTH} levels.")


def _check_parts(schema: dict[str, Any]) -> None:
    parts = parts_of(schema)
    for place, part, _ in parts.values():
        if part.get("$schema", _DIALECT).rstrip("#") != _DIALECT:
            raise InvalidInput(f"$schema must be {_DIALECT}.", (*place, "$schema"))
        for keyword in _REFUSED:
            if keyword in part:
                raise InvalidInput(f"{keyword} is not supported.", (*place, keyword))
        if not isinstance(part.get(PROPERTIES_FROM, ""), str):
            raise InvalidInput(f"{PROPERTIES_FROM} names a field of the input.", (*place, PROPERTIES_FROM))
        if "pattern" in part:
            _check_pattern(part["pattern"], (*place, "pattern"))
    check_references(parts)


def _check_pattern(source: str, where: tuple[str, ...]) -> None:
    try:
        compiled_pattern(source)
    except (PatternSyntaxError, PatternTooLarge) as error:
        raise InvalidInput(f"pattern {error}.", where) from None
