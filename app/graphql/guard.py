"""How much a document asks for, found out before it is validated or executed, in one walk over it.

A fragment is measured once, however often it is spread, so that the walk is linear where the document's expansion is
exponential. What counts: depth (fields within fields), and after the expansion of fragments aliases, spreads,
directives and cost. The cost of a field is 1 where it gives an object, 10 for a mutation, and what is below a
connection counts once for each row of the page asked for.
"""

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from typing import Any

from graphql import (
    DocumentNode,
    FieldNode,
    FragmentDefinitionNode,
    FragmentSpreadNode,
    GraphQLNamedType,
    GraphQLSchema,
    InlineFragmentNode,
    IntValueNode,
    OperationDefinitionNode,
    SelectionSetNode,
    ValueNode,
    VariableNode,
    get_named_type,
    is_leaf_type,
)

from app.errors import LimitExceeded
from app.graphql.relay import DEFAULT_PAGE, MAX_PAGE

MUTATION_COST = 10
# So that a small request costs a point, and the largest that is let through 100, which is what the first plan has.
COST_OF_A_POINT = 10
_PAGE_ARGUMENTS = ("first", "last")
# The fields of a connection that there is one of, whatever the page.
_ONCE = ("pageInfo", "totalCount")


class QueryTooComplex(LimitExceeded):
    """A document asks for more than one request may. `name` is the limit's in serverInfo."""

    def __init__(self, message: str, *, name: str, limit: int, actual: int) -> None:
        self.name = name
        super().__init__(message, limit=limit, actual=actual)


@dataclass(frozen=True, slots=True)
class QueryLimits:
    """The most of each that one document may have."""

    tokens: int
    depth: int
    aliases: int
    spreads: int
    directives: int
    cost: int


@dataclass(frozen=True, slots=True)
class Size:
    """What a part of a document asks for."""

    depth: int = 0
    aliases: int = 0
    spreads: int = 0
    directives: int = 0
    cost: int = 0

    def beside(self, other: "Size") -> "Size":
        return Size(
            max(self.depth, other.depth),
            self.aliases + other.aliases,
            self.spreads + other.spreads,
            self.directives + other.directives,
            self.cost + other.cost,
        )


_NAMES = {
    "depth": ("maxQueryDepth", "levels deep"),
    "aliases": ("maxQueryAliases", "aliases"),
    "spreads": ("maxQuerySpreads", "fragment spreads"),
    "directives": ("maxQueryDirectives", "directives"),
    "cost": ("maxQueryCost", "points of cost: ask for fewer rows (first) or less of each"),
}


def check(size: Size, limits: QueryLimits) -> None:
    """Raises QueryTooComplex for the first limit that is passed."""
    for attribute, (name, words) in _NAMES.items():
        limit, actual = getattr(limits, attribute), getattr(size, attribute)
        if actual > limit:
            message = f"The document has {actual} {words}; the limit is {limit}."
            raise QueryTooComplex(message, name=name, limit=limit, actual=actual)


def points(cost: int) -> int:
    """What rate limits count: 1 at least."""
    return max(1, cost // COST_OF_A_POINT)


def page_variables(document: DocumentNode) -> frozenset[str]:
    """The variables that say how long a page is: with others, the document's size is the same."""
    return frozenset(
        argument.value.name.value
        for definition in document.definitions
        if isinstance(definition, OperationDefinitionNode | FragmentDefinitionNode)
        for node in _fields(definition.selection_set)
        for argument in node.arguments or ()
        if argument.name.value in _PAGE_ARGUMENTS and isinstance(argument.value, VariableNode)
    )


def measure(
    schema: GraphQLSchema, document: DocumentNode, operation: OperationDefinitionNode, variables: Mapping[str, Any]
) -> Size:
    """Also of a document that is not valid: what does not exist costs nothing, and a fragment in itself ends there."""
    root = schema.get_root_type(operation.operation)
    meter = _Meter(schema, document, _page_sizes(operation, variables))
    size = meter.selections(operation.selection_set, root)
    return replace(size, directives=size.directives + len(operation.directives or ()))


def _page_sizes(operation: OperationDefinitionNode, variables: Mapping[str, Any]) -> dict[str, Any]:
    defaults = {
        definition.variable.name.value: int(definition.default_value.value)
        for definition in operation.variable_definitions or ()
        if isinstance(definition.default_value, IntValueNode)
    }
    return defaults | dict(variables)


def _fields(selections: SelectionSetNode) -> Iterator[FieldNode]:
    for node in selections.selections:
        if isinstance(node, FieldNode):
            yield node
        if isinstance(node, FieldNode | InlineFragmentNode) and node.selection_set is not None:
            yield from _fields(node.selection_set)


class _Meter:
    """One walk. The parser has bounded how deep selections are nested."""

    def __init__(self, schema: GraphQLSchema, document: DocumentNode, variables: Mapping[str, Any]) -> None:
        self._schema = schema
        self._variables = variables
        self._fragments = {
            definition.name.value: definition
            for definition in document.definitions
            if isinstance(definition, FragmentDefinitionNode)
        }
        # None while it is being measured.
        self._measured: dict[str, Size | None] = {}

    def selections(self, node: SelectionSetNode, parent: GraphQLNamedType | None, *, rows: int = 1) -> Size:
        """`rows` is how many there are of the parent's fields that lead to rows."""
        total = Size()
        for child in node.selections:
            match child:
                case FieldNode():
                    times = 1 if child.name.value in _ONCE else rows
                    size = self._field(child, parent)
                    size = replace(size, cost=size.cost * times)
                case InlineFragmentNode():
                    condition = child.type_condition
                    inner = self._schema.get_type(condition.name.value) if condition is not None else parent
                    size = self.selections(child.selection_set, inner, rows=rows)
                case FragmentSpreadNode():
                    size = self._spread(child.name.value)
                    size = replace(size, spreads=size.spreads + 1, cost=size.cost * rows)
                case _:
                    size = Size()
            total = total.beside(replace(size, directives=size.directives + len(child.directives or ())))
        return total

    def _field(self, node: FieldNode, parent: GraphQLNamedType | None) -> Size:
        definition = getattr(parent, "fields", {}).get(node.name.value)
        kind = get_named_type(definition.type) if definition is not None else None
        price = (
            MUTATION_COST if parent is self._schema.mutation_type else 0 if kind is None or is_leaf_type(kind) else 1
        )
        size = Size()
        if node.selection_set is not None:
            rows = self._page(node) if kind is not None and kind.name.endswith("Connection") else 1
            size = self.selections(node.selection_set, kind, rows=rows)
        # Tools ask for the whole schema, which is deep; it costs what it costs.
        depth = 0 if node.name.value.startswith("__") else size.depth + 1
        return replace(size, depth=depth, aliases=size.aliases + (node.alias is not None), cost=size.cost + price)

    def _spread(self, name: str) -> Size:
        if name not in self._measured:
            self._measured[name] = None
            fragment = self._fragments.get(name)
            self._measured[name] = self._fragment(fragment) if fragment is not None else Size()
        return self._measured[name] or Size()

    def _fragment(self, fragment: FragmentDefinitionNode) -> Size:
        return self.selections(fragment.selection_set, self._schema.get_type(fragment.type_condition.name.value))

    def _page(self, node: FieldNode) -> int:
        """How many rows are asked for; more than a page can have are refused later, with the argument's name."""
        given = {argument.name.value: argument.value for argument in node.arguments or ()}
        sizes = [self._number(given[name]) for name in _PAGE_ARGUMENTS if name in given]
        return min(max([0, *sizes]), MAX_PAGE) if sizes else DEFAULT_PAGE

    def _number(self, value: ValueNode) -> int:
        if isinstance(value, IntValueNode):
            return min(int(value.value), MAX_PAGE) if len(value.value) < 10 else MAX_PAGE
        found = self._variables.get(value.name.value) if isinstance(value, VariableNode) else None
        return found if isinstance(found, int) else DEFAULT_PAGE
