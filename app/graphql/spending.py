"""What an operation really cost, from its result: as the guard measures documents, with the rows that there were.

Only the fields that give objects are looked at, through a tree that is made once for each document: an answer with 25
tasks costs a few microseconds.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    SelectionSetNode,
    get_named_type,
    get_operation_ast,
    is_leaf_type,
)

from app.graphql.documents import parse_document, remembered
from app.graphql.guard import MUTATION_COST


@dataclass(slots=True)
class Priced:
    """A selection: `each` is what every object costs, `below` its fields that give objects, by response name."""

    each: int = 1
    below: dict[str, "Priced"] = field(default_factory=dict)


def spent(schema: GraphQLSchema, text: str, name: str | None, max_tokens: int, data: Mapping[str, Any]) -> int:
    """In the guard's measure, of the data that a valid document gave."""
    root = _tree(schema, text, name, max_tokens)
    return root.each + _objects(data, root.below)


def _objects(data: Mapping[str, Any], below: Mapping[str, Priced]) -> int:
    total = 0
    for name, priced in below.items():
        value = data.get(name)
        if isinstance(value, dict):
            total += priced.each + (_objects(value, priced.below) if priced.below else 0)
        elif isinstance(value, list):
            total += priced.each * len(value)
            if priced.below:
                total += sum(_objects(item, priced.below) for item in value if item is not None)
    return total


@remembered
def _tree(schema: GraphQLSchema, text: str, name: str | None, max_tokens: int) -> Priced:
    document = parse_document(text, max_tokens)
    operation = get_operation_ast(document, name)
    assert operation is not None
    kind = schema.get_root_type(operation.operation)
    root = Priced(0)
    _Builder(schema, document).add(operation.selection_set, kind, root)
    if kind is schema.mutation_type:
        # Each costs what it costs whatever comes of it.
        root.each = sum(MUTATION_COST for _ in root.below)
        for mutation in root.below.values():
            mutation.each = 0
    return root


class _Builder:
    def __init__(self, schema: GraphQLSchema, document: DocumentNode) -> None:
        self._schema = schema
        self._fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }

    def add(self, selections: SelectionSetNode, parent: GraphQLNamedType | None, into: Priced) -> None:
        """Selections of the same name are merged, as in the result."""
        for node, kind in self._objects(selections, parent):
            name = node.alias.value if node.alias is not None else node.name.value
            assert node.selection_set is not None
            self.add(node.selection_set, kind, into.below.setdefault(name, Priced()))

    def _objects(
        self, selections: SelectionSetNode, parent: GraphQLNamedType | None
    ) -> Iterator[tuple[FieldNode, GraphQLNamedType]]:
        """The fields that give objects, with their types. Those about the schema itself are free."""
        for node in selections.selections:
            match node:
                case FieldNode():
                    definition = getattr(parent, "fields", {}).get(node.name.value)
                    kind = get_named_type(definition.type) if definition is not None else None
                    if kind is not None and not is_leaf_type(kind):
                        yield node, kind
                case InlineFragmentNode():
                    condition = node.type_condition
                    inner = self._schema.get_type(condition.name.value) if condition is not None else parent
                    yield from self._objects(node.selection_set, inner)
                case FragmentSpreadNode():
                    fragment = self._fragments[node.name.value]
                    condition_type = self._schema.get_type(fragment.type_condition.name.value)
                    yield from self._objects(fragment.selection_set, condition_type)
