"""Wrong arguments of a connection, each with the argument's name and the limit where there is one."""

import base64
from typing import Any

import pytest

from tests.integration.api.answers import extensions
from tests.integration.api.conftest import MakeTasks
from tests.integration.api.documents import TASKS, draft
from tests.integration.graphql_client import Gql


def cursor(plain: str) -> str:
    return base64.urlsafe_b64encode(plain.encode()).decode().rstrip("=")


@pytest.mark.parametrize(
    ("arguments", "expected"),
    [
        ({"first": 101}, {"path": ["first"], "limit": 100, "actual": 101}),
        ({"last": 101}, {"path": ["last"], "limit": 100, "actual": 101}),
        ({"first": -1}, {"path": ["first"]}),
        ({"last": -1}, {"path": ["last"]}),
        ({"first": 1, "last": 1}, {"path": ["last"]}),
        ({"after": ""}, {"path": ["after"]}),
        ({"after": "no cursor"}, {"path": ["after"]}),
        ({"after": "ä"}, {"path": ["after"]}),
        ({"before": cursor("task:12")}, {"path": ["before"]}),
        ({"before": cursor("task:\0")}, {"path": ["before"]}),
    ],
)
async def test_wrong_argument_is_named(gql: Gql, arguments: dict[str, Any], expected: dict[str, Any]) -> None:
    response = await gql.raw(TASKS, **arguments)

    assert response.status_code == 200
    assert response.json()["data"] is None
    assert extensions(response) == {"code": "BAD_USER_INPUT", **expected}


async def test_cursor_of_another_list_is_refused(gql: Gql) -> None:
    templates = await gql("{ templates(first: 1) { edges { cursor } } }")
    (edge,) = templates["templates"]["edges"]

    response = await gql.raw(TASKS, after=edge["cursor"])

    assert extensions(response) == {"code": "BAD_USER_INPUT", "path": ["after"]}


@pytest.mark.parametrize("seq", ["99999999999999", "-99999999999999", "9" * 5000, "0x1", "ten"])
async def test_cursor_with_an_impossible_number_is_refused(gql: Gql, make_tasks: MakeTasks, seq: str) -> None:
    (task_id,) = await make_tasks(draft())
    document = "query($id: ID!, $after: String) { task(id: $id) { events(after: $after) { nodes { seq } } } }"

    response = await gql.raw(document, id=task_id, after=cursor(f"event:{seq}"))

    assert extensions(response) == {"code": "BAD_USER_INPUT", "path": ["after"]}


async def test_number_beyond_32_bits_is_refused_before_anything_runs(gql: Gql) -> None:
    by_variable = await gql.raw(TASKS, first=2**31)
    by_literal = await gql.raw(f"{{ tasks(first: {'9' * 5000}) {{ nodes {{ id }} }} }}")

    assert extensions(by_variable) == {"code": "BAD_USER_INPUT"}
    assert extensions(by_literal) == {"code": "GRAPHQL_VALIDATION_FAILED"}
