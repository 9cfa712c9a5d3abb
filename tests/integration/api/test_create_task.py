"""createTask and createTasks: what is accepted, and what the answer says."""

from typing import Any

import pytest

from tests.integration.api.answers import limits, refusals
from tests.integration.api.documents import COUNT, CREATE_TASK, CREATE_TASKS, UNKNOWN_TEMPLATE, draft
from tests.integration.graphql_client import Gql


async def test_null_means_the_default(gql: Gql) -> None:
    nulls = dict.fromkeys(
        ("complexity", "costSensitive", "priority", "maxCost", "expiresAt", "maxAttempts", "metadata", "tags")
    )

    created = (await gql(CREATE_TASK, input=draft(**nulls)))["createTask"]

    assert created["errors"] == []
    assert (created["task"]["priority"], created["task"]["tags"], created["task"]["metadata"]) == (5, [], {})


@pytest.mark.parametrize("changes", [{"priority": 1}, {"priority": 9}, {"maxAttempts": 1}, {"maxAttempts": 10}])
async def test_ends_of_ranges_are_accepted(gql: Gql, changes: dict[str, Any]) -> None:
    created = (await gql(CREATE_TASK, input=draft(**changes)))["createTask"]

    assert created["errors"] == []


@pytest.mark.parametrize("value", [{"a": 1e30}, {"a": 1e300}, {"a": -(2**63)}, {"a": 2**64 - 1}, [], 0, False, "ß€🦉"])
async def test_input_comes_back_as_it_was_sent(gql: Gql, value: object) -> None:
    created = (await gql(CREATE_TASK, input=draft(input=value)))["createTask"]

    assert created["task"]["input"] == value


async def test_input_may_be_written_into_the_document_with_variables_inside(gql: Gql) -> None:
    document = """mutation($text: String!, $unset: JSON) { createTask(input: {
      type: "note.write", input: {text: $text, unset: $unset, list: [1, 2.5, null]} }) { task { input } } }"""

    created = (await gql(document, text="hello"))["createTask"]

    assert created["task"]["input"] == {"text": "hello", "list": [1, 2.5, None]}


async def test_time_long_past_means_now(gql: Gql) -> None:
    wanted = draft(runAt="0001-01-01T00:00:00+14:00", expiresAt=None)

    created = (await gql(CREATE_TASK, input=wanted))["createTask"]

    assert (created["errors"], created["task"]["status"]) == ([], "QUEUED")


async def test_one_wrong_input_does_not_hold_up_the_others(gql: Gql) -> None:
    inputs = [draft(), draft(templateId=UNKNOWN_TEMPLATE), draft(priority=7)]

    created = (await gql(CREATE_TASKS, inputs=inputs))["createTasks"]

    assert created["errors"] == []
    assert [result["task"] is None for result in created["results"]] == [False, True, False]
    assert refusals(created["results"][1]) == [("NOT_FOUND", ["inputs", "1", "templateId"])]
    assert (await gql(COUNT))["tasks"]["totalCount"] == 2


@pytest.mark.parametrize(("count", "code"), [(0, "INVALID_INPUT"), (501, "LIMIT_EXCEEDED")])
async def test_batch_of_the_wrong_size_creates_nothing(gql: Gql, count: int, code: str) -> None:
    inputs = [{"type": "n", "input": 1}] * count

    created = (await gql(CREATE_TASKS, inputs=inputs))["createTasks"]

    assert created["results"] == []
    assert refusals(created) == [(code, ["inputs"])]
    assert (await gql(COUNT))["tasks"]["totalCount"] == 0
    if count:
        assert limits(created) == [(500, 501)]
