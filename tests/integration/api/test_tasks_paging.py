"""tasks as a Relay connection: keyset pages in both directions."""

from typing import Any

import pytest

from tests.integration.api.conftest import MakeTasks
from tests.integration.api.documents import TASKS, draft
from tests.integration.graphql_client import Gql

Page = dict[str, Any]
ALL = 30


@pytest.fixture
async def newest_first(make_tasks: MakeTasks) -> list[str]:
    return list(reversed(await make_tasks(*[draft(priority=1 + number % 9) for number in range(ALL)])))


async def pages(gql: Gql, argument: str, cursor_argument: str, cursor: str, more: str) -> list[Page]:
    """Every page of seven, following the page's cursor while it says that there is more."""
    found: list[Page] = []
    position = None
    while not found or found[-1]["pageInfo"][more]:
        page = (await gql(TASKS, **{argument: 7, cursor_argument: position}))["tasks"]
        found.append(page)
        position = page["pageInfo"][cursor]
        assert len(found) <= ALL
    return found


def ids_of(page: Page) -> list[str]:
    return [node["id"] for node in page["nodes"]]


async def test_walk_forward_shows_every_task_once_newest_first(gql: Gql, newest_first: list[str]) -> None:
    walked = await pages(gql, "first", "after", "endCursor", "hasNextPage")

    assert [len(page["nodes"]) for page in walked] == [7, 7, 7, 7, 2]
    assert [task_id for page in walked for task_id in ids_of(page)] == newest_first
    assert [page["pageInfo"]["hasPreviousPage"] for page in walked] == [False, True, True, True, True]


async def test_walk_backward_shows_the_same_pages_from_the_end(gql: Gql, newest_first: list[str]) -> None:
    walked = await pages(gql, "last", "before", "startCursor", "hasPreviousPage")

    assert [len(page["nodes"]) for page in walked] == [7, 7, 7, 7, 2]
    assert [task_id for page in reversed(walked) for task_id in ids_of(page)] == newest_first
    assert [page["pageInfo"]["hasNextPage"] for page in walked] == [False, True, True, True, True]


async def test_cursors_are_those_of_the_edges(gql: Gql, newest_first: list[str]) -> None:
    page = (await gql(TASKS, first=3))["tasks"]
    cursors = [edge["cursor"] for edge in page["edges"]]

    between = (await gql(TASKS, after=cursors[0], before=cursors[2]))["tasks"]

    assert (page["pageInfo"]["startCursor"], page["pageInfo"]["endCursor"]) == (cursors[0], cursors[2])
    assert ids_of(between) == [newest_first[1]]


async def test_tasks_created_meanwhile_do_not_shift_the_pages(
    gql: Gql, newest_first: list[str], make_tasks: MakeTasks
) -> None:
    first = (await gql(TASKS, first=10))["tasks"]
    await make_tasks(*[draft()] * 3)

    second = (await gql(TASKS, first=10, after=first["pageInfo"]["endCursor"]))["tasks"]

    assert ids_of(first) + ids_of(second) == newest_first[:20]


async def test_page_has_25_unless_asked_and_as_few_as_none(gql: Gql, newest_first: list[str]) -> None:
    default = (await gql(TASKS))["tasks"]
    none = (await gql(TASKS, first=0))["tasks"]
    whole = (await gql(TASKS, first=100))["tasks"]

    assert (len(default["nodes"]), default["pageInfo"]["hasNextPage"]) == (25, True)
    assert (none["nodes"], none["pageInfo"]) == (
        [],
        {"hasNextPage": True, "hasPreviousPage": False, "startCursor": None, "endCursor": None},
    )
    assert (len(whole["nodes"]), whole["pageInfo"]["hasNextPage"]) == (ALL, False)


async def test_empty_workspace_has_an_empty_page(gql: Gql) -> None:
    page = (await gql(TASKS))["tasks"]

    assert (page["nodes"], page["edges"]) == ([], [])
    assert page["pageInfo"] == {
        "hasNextPage": False,
        "hasPreviousPage": False,
        "startCursor": None,
        "endCursor": None,
    }
