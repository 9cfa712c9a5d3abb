"""What the fake models say: a JSON value valid against a schema, or a short paragraph; always the same.

Understood of JSON Schema 2020-12: type, enum, const, $ref inside the document, anyOf, oneOf, allOf,
properties, required, additionalProperties, minProperties, items, prefixItems, minItems, maxItems,
uniqueItems, minLength, maxLength, the usual formats, minimum, maximum, their exclusive forms, multipleOf.
Not: pattern, conditions.
"""

import itertools
import json
import math
from collections.abc import Mapping
from typing import Any

from app.fakes.words import Words

_MAX_DEPTH = 8
_FEWEST_DELTAS, _MOST_DELTAS, _DELTA_LENGTH = 24, 60, 8
_FORMATS = {
    "date": "2026-01-15",
    "time": "09:30:00Z",
    "date-time": "2026-01-15T09:30:00Z",
    "email": "someone@example.com",
    "hostname": "example.com",
    "ipv4": "192.0.2.1",
    "ipv6": "2001:db8::1",
    "uri": "https://example.com/",
    "uuid": "0190a0b0-0000-7000-8000-000000000000",
}


def answer(prompt: str, schema: Mapping[str, Any] | None) -> str:
    """The text of the model's answer; JSON where a schema is given."""
    words = Words(prompt)
    if schema is None:
        return words.paragraph()
    return json.dumps(instance(schema, words), ensure_ascii=False)


def deltas(text: str) -> list[str]:
    """The text in 24 to 60 pieces (fewer only where it is shorter than that), as models stream it."""
    pieces = min(max(len(text) // _DELTA_LENGTH, _FEWEST_DELTAS), _MOST_DELTAS, len(text))
    edges = [len(text) * index // pieces for index in range(pieces + 1)] if pieces else []
    return [text[start:end] for start, end in itertools.pairwise(edges)]


def instance(schema: Mapping[str, Any], words: Words) -> Any:
    """A value valid against the schema, made of the words."""
    return _Generator(schema, words).value(schema, 0)


class _Generator:
    def __init__(self, root: Mapping[str, Any], words: Words) -> None:
        self._root = root
        self._words = words

    def value(self, schema: Any, depth: int) -> Any:
        schema = self._resolved(schema)
        if "const" in schema:
            return schema["const"]
        if "enum" in schema:
            return self._chosen(schema["enum"])
        match self._type(schema, depth):
            case "object":
                return self._object(schema, depth)
            case "array":
                return self._array(schema, depth)
            case "string":
                return self._string(schema)
            case "integer" | "number" as kind:
                return _number(schema, whole=kind == "integer")
            case "boolean":
                return len(self._words.take(1)[0]) % 2 == 0
        return None

    def _resolved(self, schema: Any) -> dict[str, Any]:
        """One flat schema: references followed, alternatives decided for the first, `allOf` merged."""
        if not isinstance(schema, Mapping):  # true: anything goes
            return {"type": "string"}
        while "$ref" in schema:
            rest = {key: value for key, value in schema.items() if key != "$ref"}
            schema = {**self._at(schema["$ref"]), **rest}
        for keyword in ("anyOf", "oneOf"):
            if keyword in schema:
                rest = {key: value for key, value in schema.items() if key != keyword}
                return self._resolved(_merged(rest, self._resolved(schema[keyword][0])))
        if "allOf" in schema:
            flat = {key: value for key, value in schema.items() if key != "allOf"}
            for part in schema["allOf"]:
                flat = _merged(flat, self._resolved(part))
            return self._resolved(flat)
        return dict(schema)

    def _at(self, reference: str) -> Mapping[str, Any]:
        target: Any = self._root
        for step in reference.removeprefix("#").split("/")[1:]:
            target = target[step.replace("~1", "/").replace("~0", "~")]
        return dict(target)

    def _type(self, schema: Mapping[str, Any], depth: int) -> str:
        declared = schema.get("type")
        if isinstance(declared, list):
            # A nullable recursion has to end somewhere.
            return "null" if depth > _MAX_DEPTH and "null" in declared else str(declared[0])
        if declared is None:
            return "object" if "properties" in schema else "array" if "items" in schema else "string"
        return str(declared)

    def _chosen(self, options: list[Any]) -> Any:
        """The option the prompt names, so that a prompt can steer the answer; else the first."""
        spoken = {word.lower() for word in self._words.take(200)}
        return next((option for option in options if str(option).lower() in spoken), options[0])

    def _object(self, schema: Mapping[str, Any], depth: int) -> dict[str, Any]:
        properties = schema.get("properties", {})
        required = schema.get("required", ())
        extra = schema.get("additionalProperties", True)
        names = [name for name in properties if depth < _MAX_DEPTH or name in required]
        names += [name for name in required if name not in properties]
        result = {name: self.value(properties.get(name, extra), depth + 1) for name in names}
        # A map of free keys is asked for when only the values are described.
        wanted = max(schema.get("minProperties", 0), 1 if isinstance(extra, Mapping) and not properties else 0)
        while len(result) < wanted:
            key = self._new_key(result)
            result[key] = self.value(extra, depth + 1)
        return result

    def _new_key(self, taken: Mapping[str, Any]) -> str:
        key = self._words.take(1)[0].lower()
        return key if key not in taken else f"{key}_{len(taken)}"

    def _array(self, schema: Mapping[str, Any], depth: int) -> list[Any]:
        fixed = [self.value(item, depth + 1) for item in schema.get("prefixItems", ())]
        usual = len(fixed) if schema.get("items") is False else max(len(fixed), 2)
        most = schema.get("maxItems", usual)
        count = max(schema.get("minItems", 0), min(usual, most) if depth < _MAX_DEPTH else 0)
        items = fixed[:most] + [self.value(schema.get("items", True), depth + 1) for _ in range(count - len(fixed))]
        return _without_repeats(items) if schema.get("uniqueItems") else items

    def _string(self, schema: Mapping[str, Any]) -> str:
        if schema.get("format") in _FORMATS:
            return _FORMATS[schema["format"]]
        text = self._words.sentence(10)
        while len(text) < schema.get("minLength", 0):
            text = f"{text} {self._words.sentence(10)}"
        return text[: schema.get("maxLength", len(text))]


def _merged(first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Any]:
    merged = {**first, **second}
    for keyword, empty in (("properties", {}), ("required", [])):
        if keyword in first and keyword in second:
            merged[keyword] = (
                {**first[keyword], **second[keyword]} if empty == {} else [*first[keyword], *second[keyword]]
            )
    return merged


def _without_repeats(items: list[Any]) -> list[Any]:
    unique: list[Any] = []
    for item in items:
        if item not in unique:
            unique.append(item)
    return unique


def _number(schema: Mapping[str, Any], *, whole: bool) -> int | float:
    """The middle of the allowed range, on the grid of `multipleOf`; near its end where there is only one."""
    step = schema.get("multipleOf", 1 if whole else None)
    low = _bound(schema, "minimum", "exclusiveMinimum", max)
    high = _bound(schema, "maximum", "exclusiveMaximum", min)
    middle = _middle(low, high, step or 1)
    if step is None:
        return middle
    on_grid = math.floor(middle / step) * step
    if low is not None and (on_grid < low or on_grid == schema.get("exclusiveMinimum")):
        on_grid += step
    return int(on_grid) if whole else on_grid


def _bound(schema: Mapping[str, Any], inclusive: str, exclusive: str, tighter: Any) -> float | None:
    given = [schema[keyword] for keyword in (inclusive, exclusive) if keyword in schema]
    return tighter(given) if given else None


def _middle(low: float | None, high: float | None, step: float) -> float:
    if low is not None and high is not None:
        return (low + high) / 2
    if low is not None:
        return low + step
    return high - step if high is not None else step
