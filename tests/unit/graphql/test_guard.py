import time
from typing import Any

import pytest
from graphql import build_schema, get_operation_ast, parse

from app.graphql import guard
from app.graphql.guard import QueryLimits, QueryTooComplex, Size

SCHEMA = build_schema(
    """
    type Query { me: User task: Task tasks(first: Int, last: Int): TaskConnection! }
    type Mutation { make: Task }
    type User { name: String }
    type Task { id: ID name: String owner: User parts(first: Int): TaskConnection! }
    type TaskConnection { nodes: [Task!]! edges: [TaskEdge!]! pageInfo: PageInfo! totalCount: Int! }
    type TaskEdge { cursor: String node: Task }
    type PageInfo { hasNextPage: Boolean }
    """
)
LIMITS = QueryLimits(tokens=2000, depth=12, aliases=30, spreads=200, directives=20, cost=1000)


def size(text: str, **variables: Any) -> Size:
    document = parse(text)
    operation = get_operation_ast(document)
    assert operation is not None
    return guard.measure(SCHEMA, document, operation, variables)


@pytest.mark.parametrize(
    ("text", "cost"),
    [
        ("{ me { name } }", 1),
        ("{ task { id name owner { name } } }", 2),
        ("{ tasks(first: 10) { nodes { id } } }", 1 + 10),
        ("{ tasks(last: 10) { nodes { owner { name } } } }", 1 + 10 * 2),
        ("{ tasks { nodes { id } } }", 1 + 25),
        ("{ tasks(first: 10) { edges { node { id } } pageInfo { hasNextPage } totalCount } }", 1 + 10 * 2 + 1),
        ("{ tasks(first: 10) { nodes { parts(first: 5) { nodes { id } } } } }", 1 + 10 * (1 + 1 + 5)),
        ("{ tasks(first: 100000000000) { nodes { id } } }", 1 + 100),
        ("{ tasks(first: -5) { nodes { id } } }", 1),
        ("mutation { make { id } }", 11 - 1),
        ("{ nothing { at { all } } }", 0),
    ],
)
def test_cost_is_objects_times_rows(text: str, cost: int) -> None:
    assert size(text).cost == cost


def test_a_page_may_come_from_a_variable_or_its_default() -> None:
    text = "query($n: Int = 7) { tasks(first: $n) { nodes { id } } }"

    assert size(text).cost == 1 + 7
    assert size(text, n=50).cost == 1 + 50
    assert guard.page_variables(parse(text)) == {"n"}


def test_fragments_count_where_they_are_spread() -> None:
    text = "{ task { ...t } tasks(first: 10) { nodes { ...t } } } fragment t on Task { a: id owner { b: name } }"

    assert size(text) == Size(depth=4, aliases=4, spreads=2, directives=0, cost=1 + 1 + 1 + 10 * (1 + 1))


def test_inline_fragments_and_directives_count() -> None:
    text = "query @a { task @skip(if: false) { ... on Task @include(if: true) { id @b } } }"

    assert (size(text).directives, size(text).depth) == (4, 2)


def test_the_schema_may_be_asked_for_in_full() -> None:
    deep = "{ __schema { types { fields { type { ofType { ofType { ofType { ofType { name } } } } } } } } }"

    assert size(deep).depth == 0


def test_a_fragment_in_itself_ends_there() -> None:
    assert size("{ ...a } fragment a on Query { me { name } ...b } fragment b on Query { ...a }").spreads == 3


def test_exponential_fragments_are_measured_in_no_time() -> None:
    doubling = " ".join(f"fragment f{n} on Task {{ owner {{ name }} ...f{n + 1} ...f{n + 1} }}" for n in range(150))
    text = f"{{ task {{ ...f0 }} }} {doubling} fragment f150 on Task {{ a: id }}"
    began = time.perf_counter()

    assert size(text).aliases == 2**150
    assert time.perf_counter() - began < 1


@pytest.mark.parametrize(
    ("measured", "name", "limit"),
    [
        (Size(depth=13), "maxQueryDepth", 12),
        (Size(aliases=31), "maxQueryAliases", 30),
        (Size(spreads=201), "maxQuerySpreads", 200),
        (Size(directives=21), "maxQueryDirectives", 20),
        (Size(cost=1001), "maxQueryCost", 1000),
    ],
)
def test_each_limit_is_named_with_both_numbers(measured: Size, name: str, limit: int) -> None:
    with pytest.raises(QueryTooComplex) as raised:
        guard.check(measured, LIMITS)

    assert (raised.value.name, raised.value.limit, raised.value.actual) == (name, limit, limit + 1)


def test_what_is_just_within_the_limits_passes() -> None:
    guard.check(Size(depth=12, aliases=30, spreads=200, directives=20, cost=1000), LIMITS)
