from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.graphql import documents
from app.graphql.guard import points
from app.graphql.schema import schema
from app.graphql.spending import spent
from app.settings import Settings

LIMITS = documents.limits_of(Settings())


def cost(document: str, data: dict[str, Any]) -> int:
    return spent(schema._schema, document, None, 2_000, data)


@pytest.mark.parametrize(
    ("document", "data", "points"),
    [
        ("{ viewer { role } }", {"viewer": {"role": "OWNER"}}, 1),
        ("{ __schema { types { name } } __typename }", {"__schema": {"types": [{"name": "Task"}]}}, 0),
        ("{ task(id: 1) { worker { id } } }", {"task": {"worker": None}}, 1),
        ("{ task(id: 1) { input output } }", {"task": {"input": {"a": {"b": {}}}, "output": [{}, {}]}}, 1),
        ("{ a: tasks { nodes { id } } b: tasks { nodes { id } } }", {"a": {"nodes": [{}, {}]}, "b": {"nodes": []}}, 4),
        (
            "{ tasks { ...p } tasks { edges { node { worker { id } } } } } "
            "fragment p on TaskConnection { pageInfo { endCursor } }",
            {"tasks": {"pageInfo": {}, "edges": [{"node": {"worker": {"id": 1}}}, {"node": {"worker": None}}]}},
            1 + 1 + 2 + 2 + 1,
        ),
        (
            "{ node(id: 1) { ... on Task { worker { id } } ... on Worker { id } } }",
            {"node": {"worker": {"id": 1}}},
            2,
        ),
        (
            "mutation { a: cancelTask(id: 1) { task { id } errors { code } } "
            "b: cancelTask(id: 2) { errors { code } } }",
            {"a": {"task": {"id": 1}, "errors": []}, "b": {"errors": [{"code": "NOT_FOUND"}]}},
            10 + 10 + 1 + 1,
        ),
    ],
)
def test_every_object_that_there_is_costs_a_point(document: str, data: dict[str, Any], points: int) -> None:
    assert cost(document, data) == points


TASK = st.fixed_dictionaries(
    {
        "worker": st.none() | st.just({"id": 1}),
        "events": st.fixed_dictionaries({"nodes": st.lists(st.just({"task": {"id": 1}}), max_size=4)}),
    }
)


@given(nodes=st.lists(TASK, max_size=5))
def test_no_result_costs_more_than_what_was_asked_for(nodes: list[Any]) -> None:
    document = "{ tasks(first: 5) { nodes { worker { id } events(first: 4) { nodes { task { id } } } } } }"

    most = documents.price(schema._schema, document, None, None, LIMITS)
    assert points(cost(document, {"tasks": {"nodes": nodes}})) <= most


def test_a_full_result_costs_what_was_asked_for() -> None:
    document = "query($n: Int) { tasks(first: $n) { edges { node { worker { id } } } pageInfo { endCursor } } }"
    rows = [{"node": {"worker": {"id": 1}}}] * 13

    assert cost(document, {"tasks": {"edges": rows, "pageInfo": {}}}) == 1 + 13 * 3 + 1
    assert documents.price(schema._schema, document, None, {"n": 13}, LIMITS) == 4


@pytest.mark.parametrize(
    "document", ["{", "{ nothing }", "{ viewer { ...x } }", "query A { viewer { role } } query B { a }"]
)
def test_what_will_be_refused_anyway_costs_a_point(document: str) -> None:
    assert documents.price(schema._schema, document, None, None, LIMITS) == 1
