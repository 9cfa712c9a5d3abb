"""From a document to a plan: graphql-core collects the fields, once, and each becomes a function."""

from collections.abc import Mapping
from typing import Any

import strawberry
from graphql import (
    DocumentNode,
    FragmentDefinitionNode,
    GraphQLEnumType,
    GraphQLInterfaceType,
    GraphQLList,
    GraphQLNonNull,
    GraphQLObjectType,
    GraphQLOutputType,
    GraphQLScalarType,
    OperationDefinitionNode,
    OperationType,
)
from graphql import Executor as GraphQLExecutor
from graphql.execution.collect_fields import FragmentDetails, collect_fields, collect_subfields
from graphql.execution.values import VariableValues
from strawberry.schema.schema_converter import GraphQLCoreConverter
from strawberry.types.base import StrawberryObjectDefinition
from strawberry.types.field import StrawberryField

from app.graphql.compiled import resolvers
from app.graphql.compiled.completion import Member, Select, interface_of, list_of, non_null, object_of, selection
from app.graphql.compiled.info import Site
from app.graphql.compiled.leaves import Leaf, leaf
from app.graphql.compiled.plan import Plan
from app.graphql.compiled.run import Complete

# Of one document, with each possible type of an interface. Whoever selects more is served by graphql-core.
MAX_MEMBERS = 5_000
_INTROSPECTION = ("__schema", "__type")


class Unsupported(Exception):
    """Something that only graphql-core can do."""


def compile_operation(
    schema: strawberry.Schema,
    document: DocumentNode,
    operation: OperationDefinitionNode,
    conditions: Mapping[str, bool],
    executor_class: type[GraphQLExecutor[Any]],
) -> Plan | None:
    """Of a valid document; None where only graphql-core can execute it.

    `conditions` are the variables that say what is skipped or included.
    """
    if schema.directives or schema.config.info_class is not strawberry.Info:
        return None
    fragments: dict[str, FragmentDetails] = {}
    for definition in document.definitions:
        if isinstance(definition, FragmentDefinitionNode):
            if definition.variable_definitions:
                return None
            fragments[definition.name.value] = FragmentDetails(definition)
    compiler = _Compiler(schema, operation, fragments, VariableValues({}, dict(conditions)))
    try:
        steps = compiler.steps()
    except (Unsupported, RecursionError):
        return None
    return Plan(schema._schema, operation, fragments, executor_class, steps, compiler.members)


class _Compiler:
    def __init__(
        self,
        schema: strawberry.Schema,
        operation: OperationDefinitionNode,
        fragments: dict[str, FragmentDetails],
        conditions: VariableValues,
    ) -> None:
        self._strawberry = schema
        self._schema = schema._schema
        self._operation = operation
        self._fragments = fragments
        self._conditions = conditions
        self.members = 0
        # By type and selected nodes: the same fragment in many places is compiled once.
        self._selected: dict[tuple[str, tuple[int, ...]], Select] = {}

    def steps(self) -> tuple[Select, ...]:
        operation = self._operation
        root = self._schema.get_root_type(operation.operation)
        if root is None or operation.directives:
            raise Unsupported
        collected = collect_fields(self._schema, self._fragments, self._conditions, root, operation)
        members = self._of(root, collected)
        groups = [(each,) for each in members] if operation.operation is OperationType.MUTATION else [members]
        return tuple(selection(group) for group in groups)

    def _of(self, parent: GraphQLObjectType, collected: Any) -> tuple[Member, ...]:
        if collected.new_defer_usages:
            raise Unsupported
        return tuple(self._member(parent, name, details) for name, details in collected.grouped_field_set.items())

    def _member(self, parent: GraphQLObjectType, name: str, details: Any) -> Member:
        self.members += 1
        nodes = [each.node for each in details]
        field_name = nodes[0].name.value
        if self.members > MAX_MEMBERS or field_name in _INTROSPECTION:
            raise Unsupported
        if field_name == "__typename":
            return resolvers.constant(name, parent.name)
        definition = self._schema.get_field(parent, field_name)
        if definition is None:
            raise Unsupported
        field = definition.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
        if field is not None and not isinstance(field, StrawberryField):
            raise Unsupported
        inner, nullable = _nullable(definition.type)
        site = Site(name, nullable, nodes, details, parent, definition, field)
        return resolvers.member(self._strawberry, site, self._completion(definition.type, site), _leaf(inner))

    def _completion(self, kind: GraphQLOutputType, site: Site) -> Complete:
        match kind:
            case GraphQLNonNull():
                return non_null(self._completion(kind.of_type, site), site)
            case GraphQLList():
                inner, nullable = _nullable(kind.of_type)
                return list_of(self._completion(kind.of_type, site), _leaf(inner), nullable, site)
            case GraphQLScalarType() | GraphQLEnumType():
                return leaf(kind).complete
            case GraphQLObjectType():
                return self._object(kind, site)
            case GraphQLInterfaceType():
                return self._interface(kind, site)
        raise Unsupported

    def _object(self, kind: GraphQLObjectType, site: Site) -> Complete:
        definition = _definition(kind)
        if definition is None or definition.is_type_of is not None:
            raise Unsupported
        key = (kind.name, tuple(id(each.node) for each in site.details))
        select = self._selected.get(key)
        if select is None:
            collected = collect_subfields(
                self._schema, self._fragments, self._conditions, self._operation, kind, site.details
            )
            select = self._selected[key] = selection(self._of(kind, collected))
        return object_of(kind, _trusted(definition), select, site)

    def _interface(self, kind: GraphQLInterfaceType, site: Site) -> Complete:
        definition = _definition(kind)
        if definition is None or definition.resolve_type is not None:
            raise Unsupported
        by_class: dict[type, Complete] = {}
        by_name: dict[str, Complete] = {}
        for possible in self._schema.get_possible_types(kind):
            of_possible = _definition(possible)
            complete = by_name[possible.name] = self._object(possible, site)
            trusted = _trusted(of_possible) if of_possible is not None else None
            if trusted is not None and issubclass(trusted, definition.origin):
                by_class[trusted] = complete
        return interface_of(kind, by_class, by_name, site)


def _nullable(kind: GraphQLOutputType) -> tuple[GraphQLOutputType, bool]:
    """The type without its being non-null, and whether it was not so before."""
    return (kind.of_type, False) if isinstance(kind, GraphQLNonNull) else (kind, True)


def _leaf(kind: GraphQLOutputType) -> Leaf | None:
    return leaf(kind) if isinstance(kind, GraphQLScalarType | GraphQLEnumType) else None


def _definition(kind: GraphQLObjectType | GraphQLInterfaceType) -> StrawberryObjectDefinition | None:
    definition = kind.extensions.get(GraphQLCoreConverter.DEFINITION_BACKREF)
    return definition if isinstance(definition, StrawberryObjectDefinition) else None


def _trusted(definition: StrawberryObjectDefinition) -> type | None:
    """The class whose instances are surely of this type: not a generic's, which is of several."""
    origin = definition.origin
    plain = definition.concrete_of is None and not definition.is_graphql_generic
    return origin if plain and not issubclass(origin, Exception) else None
