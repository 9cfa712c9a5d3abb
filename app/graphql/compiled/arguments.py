"""A field's arguments, as its resolver gets them: coerced by graphql-core, then converted by Strawberry.

What is written out in the document is worked out once for it, as long as nobody can change it. So is how variables that
stand for whole scalars or enums are passed on. All the rest is done for each call.
"""

from collections.abc import Callable
from datetime import date
from enum import Enum
from typing import Any
from uuid import UUID

import strawberry
from graphql import GraphQLError, ValueNode, VariableNode, is_leaf_type, is_non_null_type
from graphql.execution.values import VariableValues, coerce_argument, get_argument_values
from graphql.language import ListValueNode, ObjectValueNode
from strawberry.relay import GlobalID
from strawberry.types.arguments import StrawberryArgument, convert_arguments
from strawberry.types.base import StrawberryOptional

from app.graphql.compiled.info import PlanInfo, Site
from app.graphql.compiled.run import Run

# Gives a dict of its own for each call. Raises GraphQLError.
Arguments = Callable[[Run, PlanInfo], dict[str, Any]]
_IMMUTABLE = (str, int, float, bool, date, Enum, UUID, type(None))
_NO_VARIABLES = VariableValues({}, {})


def coerced(run: Run, site: Site) -> dict[str, Any]:
    """graphql-core's, under their names in the schema. Raises GraphQLError."""
    node = site.nodes[0]
    if not site.definition.args and not node.arguments:
        return {}
    return get_argument_values(site.definition, node, run.variables, None, run.hide_suggestions)


def arguments_of(schema: strawberry.Schema, site: Site) -> Arguments:
    field = site.field
    assert field is not None
    if not field.arguments:
        return lambda run, info: {}
    registry = schema.schema_converter.scalar_registry

    def converted(run: Run, info: PlanInfo) -> dict[str, Any]:
        return convert_arguments(
            coerced(run, site), field.arguments, scalar_registry=registry, config=schema.config, info=info
        )

    known: dict[str, Any] = {}
    passed: list[tuple[str, str]] = []
    given = {argument.name.value: argument for argument in site.nodes[0].arguments or ()}
    for argument in field.arguments:
        name = schema.config.name_converter.from_argument(argument)
        node = given.get(name)
        if node is None or not _has_variable(node.value):
            try:
                coerce_argument(known, site.nodes[0], name, site.definition.args[name], node, _NO_VARIABLES, None)
            except GraphQLError:
                # Said again at each call, where it has its place in the answer.
                return converted
        elif isinstance(node.value, VariableNode) and _is_passed_on(argument, site.definition.args[name].type):
            passed.append((argument.python_name, node.value.name.value))
        else:
            return converted
    if not all(isinstance(value, _IMMUTABLE) for value in known.values()):
        return converted
    constant = convert_arguments(known, field.arguments, scalar_registry=registry, config=schema.config)
    return _with_variables(constant, passed, converted) if passed else lambda run, info: constant.copy()


def _has_variable(value: ValueNode) -> bool:
    match value:
        case VariableNode():
            return True
        case ListValueNode():
            return any(_has_variable(item) for item in value.values)
        case ObjectValueNode():
            return any(_has_variable(field.value) for field in value.fields)
    return False


def _is_passed_on(argument: StrawberryArgument, kind: Any) -> bool:
    """Whether Strawberry takes what graphql-core made of it as it is."""
    wanted: Any = argument.type
    if isinstance(wanted, StrawberryOptional) and not argument.is_maybe:
        wanted = wanted.of_type
    inner = kind.of_type if is_non_null_type(kind) else kind
    return is_leaf_type(inner) and not argument.is_maybe and wanted is not GlobalID


def _with_variables(constant: dict[str, Any], passed: list[tuple[str, str]], converted: Arguments) -> Arguments:
    def arguments(run: Run, info: PlanInfo) -> dict[str, Any]:
        values = run.variables.coerced
        result = constant.copy()
        for python_name, name in passed:
            value = values.get(name)
            if value is None:
                # It makes a difference whether it was left out.
                return converted(run, info)
            result[python_name] = value
        return result

    return arguments
