"""The table of permissions: complete, used, and as it stands in ARCHITECTURE.md."""

import pytest
import strawberry
from graphql import GraphQLInterfaceType

from app.graphql.permissions import MUTATION, NODE, QUERY, SUBSCRIPTION, WithoutNeed, protect
from app.graphql.schema import schema
from app.principal import PERMISSIONS, Role
from tests import role_matrix


def test_every_operation_has_an_entry_and_no_entry_is_left_over() -> None:
    graphql = schema._schema
    roots = [graphql.query_type, graphql.mutation_type, graphql.subscription_type]

    for root, table in zip(roots, (QUERY, MUTATION, SUBSCRIPTION), strict=True):
        assert root is not None
        assert set(root.fields) == set(table)


def test_every_type_that_node_finds_has_a_permission() -> None:
    node = schema._schema.type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType)

    assert {type_.name for type_ in schema._schema.get_possible_types(node)} == set(NODE)


def test_an_operation_without_an_entry_stops_the_schema() -> None:
    @strawberry.type
    class Query:
        @strawberry.field
        def forgotten_one(self) -> int:
            return 1

    with pytest.raises(WithoutNeed, match="forgottenOne has no entry"):
        protect(Query.__strawberry_definition__.fields, QUERY)  # type: ignore[attr-defined]


def test_each_role_may_all_that_the_next_may_and_more() -> None:
    owner, admin, member, viewer = (PERMISSIONS[role] for role in Role)

    assert owner > admin > member > viewer


def test_the_table_in_the_architecture_document_is_the_generated_one() -> None:
    assert role_matrix.committed() == role_matrix.table(), "python -m tests.role_matrix --write"
