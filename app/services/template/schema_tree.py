"""The schemas inside a JSON Schema 2020-12, and where its references lead."""

from collections.abc import Iterator, Mapping
from typing import Any, NamedTuple
from urllib.parse import unquote

from app.errors import InvalidInput

MAX_UNFOLDED_SCHEMAS = 5_000
MAX_UNFOLDED_DEPTH = 40

# JSON Schema core and validation 2020-12: which keywords hold a schema, a list of them, or a map of them.
_ONE = {
    *("items", "additionalProperties", "not", "if", "then", "else", "contains", "propertyNames"),
    *("unevaluatedItems", "unevaluatedProperties", "contentSchema"),
}
_LISTS = {"allOf", "anyOf", "oneOf", "prefixItems"}
_MAPS = {"properties", "$defs", "definitions", "dependentSchemas", "patternProperties"}
_LONGEST_EXCERPT = 60

Place = tuple[str, ...]


class Part(NamedTuple):
    """One schema of the tree: its steps from the root, itself, and the places of those directly inside."""

    place: Place
    schema: Mapping[str, Any]
    inside: tuple[Place, ...]


def parts_of(schema: Mapping[str, Any]) -> dict[Place, Part]:
    """Every schema in the schema by its place; `true` and `false` are left out. The root's place is ()."""
    found: dict[Place, Part] = {}
    waiting: list[tuple[Place, Mapping[str, Any]]] = [((), schema)]
    while waiting:
        place, node = waiting.pop()
        inside = [((*place, *steps), child) for steps, child in _inside(node)]
        found[place] = Part(place, node, tuple(child_place for child_place, _ in inside))
        waiting += inside
    return found


def check_references(parts: Mapping[Place, Part]) -> None:
    """Raises InvalidInput where a `$ref` leads out of the schema or back to itself, or all unfold too far."""
    sizes: dict[Place, int] = {}
    _unfold((), parts, (), sizes)
    if sizes[()] > MAX_UNFOLDED_SCHEMAS:
        raise InvalidInput(f"The schema unfolds into more than {MAX_UNFOLDED_SCHEMAS} schemas.")


def _unfold(place: Place, parts: Mapping[Place, Part], above: tuple[Place, ...], sizes: dict[Place, int]) -> None:
    """Counts the schemas at `place` with all its references written out, into `sizes`."""
    if place in above:
        raise InvalidInput("The schema refers back to itself; recursive schemas are not supported.", place)
    if len(above) >= MAX_UNFOLDED_DEPTH:
        raise InvalidInput(f"The schema unfolds deeper than {MAX_UNFOLDED_DEPTH} levels.", place)
    part = parts[place]
    nexts = list(part.inside)
    if "$ref" in part.schema:
        nexts.append(_target(part, parts))
    for following in nexts:
        if following not in sizes:
            _unfold(following, parts, (*above, place), sizes)
    sizes[place] = 1 + sum(sizes[following] for following in nexts)


def _target(part: Part, parts: Mapping[Place, Part]) -> Place:
    reference = str(part.schema["$ref"])
    head, *steps = reference.split("/")
    target = tuple(unquote(step).replace("~1", "/").replace("~0", "~") for step in steps)
    if head != "#" or target not in parts:
        raise InvalidInput(
            "$ref must lead to a schema inside this one, as #/$defs/name does; "
            f"{reference[:_LONGEST_EXCERPT]!r} does not.",
            (*part.place, "$ref"),
        )
    return target


def _inside(node: Mapping[str, Any]) -> Iterator[tuple[Place, Mapping[str, Any]]]:
    for keyword, value in node.items():
        children: dict[Place, Any] = {}
        if keyword in _ONE:
            children = {(keyword,): value}
        elif keyword in _LISTS:
            children = {(keyword, str(index)): child for index, child in enumerate(value)}
        elif keyword in _MAPS:
            children = {(keyword, name): child for name, child in value.items()}
        yield from ((steps, child) for steps, child in children.items() if isinstance(child, Mapping))
