"""Random operations on everything in the schema, aimed at ids and cursors that are given: somebody else's."""

import random
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

from graphql import (
    GraphQLEnumType,
    GraphQLField,
    GraphQLInputObjectType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLSchema,
    GraphQLUnionType,
    get_named_type,
    is_leaf_type,
    is_required_argument,
    is_required_input_field,
)

DEPTH = 3
BRANCHES = 2
CURSORS = {"after", "before"}


@dataclass(frozen=True, slots=True)
class Attempt:
    """`ids` are those among the variables."""

    operation: str
    field: str
    document: str
    variables: Mapping[str, Any]
    ids: frozenset[str]

    def with_ids(self, other: Mapping[str, str]) -> Mapping[str, Any]:
        """The variables with other ids in the places of these; another input goes with another idempotency key."""
        replaced: dict[str, Any] = _replaced(self.variables, other)
        if "idempotencyKey" in replaced:
            replaced["idempotencyKey"] += " again"
        return replaced


def _replaced(value: Any, other: Mapping[str, str]) -> Any:
    if isinstance(value, dict):
        return {name: _replaced(item, other) for name, item in value.items()}
    if isinstance(value, list):
        return [_replaced(item, other) for item in value]
    return other.get(value, value) if isinstance(value, str) else value


@dataclass(slots=True)
class Attempts:
    """The same for the same seed."""

    schema: GraphQLSchema
    ids: Sequence[str]
    cursors: Sequence[str]
    chance: random.Random
    _used: set[str] = field(default_factory=set)

    def next(self, operation: str, name: str) -> Attempt:
        root = getattr(self.schema, f"{operation}_type").fields[name]
        self._used = set()
        wanted = {
            argument: each
            for argument, each in root.args.items()
            if is_required_argument(each) or self.chance.random() < 0.6
        }
        variables = {argument: self._value(argument, each.type) for argument, each in wanted.items()}
        declared = ", ".join(f"${argument}: {each.type}" for argument, each in wanted.items())
        passed = ", ".join(f"{argument}: ${argument}" for argument in wanted)
        document = (
            f"{operation}{f'({declared})' if declared else ''} "
            f"{{ {name}{f'({passed})' if passed else ''} {self._selection(root, DEPTH)} }}"
        )
        return Attempt(operation, name, document, variables, frozenset(self._used))

    def _selection(self, selected: GraphQLField, depth: int) -> str:
        named = get_named_type(selected.type)
        if is_leaf_type(named):
            return ""
        if isinstance(named, GraphQLInterfaceType | GraphQLUnionType):
            parts = [f"... on {each.name} {self._leaves(each)}" for each in self.schema.get_possible_types(named)]
            return f"{{ __typename {' '.join(parts)} }}"
        assert isinstance(named, GraphQLObjectType)
        names = self._leaf_names(named)
        if depth:
            deeper = [name for name, each in named.fields.items() if self._goes_deeper(each)]
            for name in self.chance.sample(deeper, min(BRANCHES, len(deeper))):
                names.append(f"{name} {self._selection(named.fields[name], depth - 1)}")
        return f"{{ {' '.join(names) or '__typename'} }}"

    def _leaves(self, named: GraphQLObjectType) -> str:
        # Other names, as types of one interface may have a field of one name and different types.
        names = [f"{named.name}_{name}: {name}" for name in self._leaf_names(named)[:3]]
        return f"{{ {' '.join(names) or '__typename'} }}"

    @staticmethod
    def _leaf_names(named: GraphQLObjectType) -> list[str]:
        return [name for name, each in named.fields.items() if is_leaf_type(get_named_type(each.type)) and _free(each)]

    @staticmethod
    def _goes_deeper(each: GraphQLField) -> bool:
        return not is_leaf_type(get_named_type(each.type)) and _free(each)

    def _value(self, name: str, wanted: Any) -> Any:
        if isinstance(wanted, GraphQLNonNull):
            return self._value(name, wanted.of_type)
        if isinstance(wanted, GraphQLList):
            return [self._value(name, wanted.of_type) for _ in range(self.chance.randint(1, 3))]
        if isinstance(wanted, GraphQLEnumType):
            return self.chance.choice(list(wanted.values))
        if isinstance(wanted, GraphQLInputObjectType):
            return {
                inner: self._value(inner, each.type)
                for inner, each in wanted.fields.items()
                if is_required_input_field(each) or self.chance.random() < 0.4
            }
        return self._scalar(name, wanted.name)

    def _scalar(self, name: str, kind: str) -> Any:
        match kind:
            case "ID":
                self._used.add(chosen := self.chance.choice(self.ids))
                return chosen
            case "Int":
                return self.chance.randint(0, 3)
            case "BigInt":
                # A budget that refuses tasks would refuse one of two that are compared, or both.
                return 10**12 + self.chance.randint(0, 3)
            case "Float":
                return self.chance.random()
            case "Boolean":
                return self.chance.random() < 0.5
            case "DateTime":
                return (datetime.now(UTC) + timedelta(days=self.chance.randint(1, 3))).isoformat()
            case "JSON":
                return self.chance.choice([{}, {"text": "x"}, [], "x", 1, None])
            case _:
                return self.chance.choice(self.cursors) if name in CURSORS else _text(name, self.chance)


def _free(each: GraphQLField) -> bool:
    return not any(is_required_argument(argument) for argument in each.args.values())


def _text(name: str, chance: random.Random) -> str:
    if name.lower().endswith("email"):
        return f"{chance.randrange(10**9)}@example.com"
    if name == "idempotencyKey":
        # One that two operations share is refused, or not, by which of them comes first.
        return f"key {chance.randrange(10**9)}"
    return chance.choice(
        ["", "x", "note.write", "correct horse battery", "task:read", f"own.{chance.randrange(10**9)}"]
    )
