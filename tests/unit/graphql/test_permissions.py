"""The table of permissions: complete, used, and as it stands in ARCHITECTURE.md."""

import pytest
import strawberry
from graphql import GraphQLInterfaceType

from app.graphql.permissions import NODES, OPERATIONS, WithoutRule, protect
from app.graphql.schema import schema
from app.principal import PERMISSIONS, Role, narrower
from tests import role_matrix


def test_every_operation_has_an_entry_and_no_entry_is_left_over() -> None:
    graphql = schema._schema
    roots = [graphql.query_type, graphql.mutation_type, graphql.subscription_type]

    assert {f"{root.name}.{field}" for root in roots if root is not None for field in root.fields} == set(OPERATIONS)


def test_every_type_that_node_finds_has_a_permission() -> None:
    node = schema._schema.type_map["Node"]
    assert isinstance(node, GraphQLInterfaceType)

    assert {type_.name for type_ in schema._schema.get_possible_types(node)} == set(NODES)


def test_an_operation_without_an_entry_stops_the_schema() -> None:
    @strawberry.type
    class Query:
        @strawberry.field
        def forgotten_one(self) -> int:
            return 1

    with pytest.raises(WithoutRule, match=r"Query\.forgottenOne has no entry"):
        protect(Query)


def test_each_role_may_all_that_the_next_may_and_more() -> None:
    owner, admin, member, viewer = (PERMISSIONS[role] for role in Role)

    assert owner > admin > member > viewer


@pytest.mark.parametrize(
    ("one", "other", "least"),
    [
        (Role.OWNER, Role.ADMIN, Role.ADMIN),
        (Role.VIEWER, Role.OWNER, Role.VIEWER),
        (Role.MEMBER, Role.MEMBER, Role.MEMBER),
    ],
)
def test_the_narrower_of_two_roles(one: Role, other: Role, least: Role) -> None:
    assert narrower(one, other) is least
    assert narrower(other, one) is least


def test_the_table_in_the_architecture_document_is_the_generated_one() -> None:
    assert role_matrix.committed() == role_matrix.table(), "python -m tests.role_matrix --write"
