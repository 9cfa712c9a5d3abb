"""createTask: each wrong value is answered with a code and the path of the value, and nothing is written."""

from typing import Any

import pytest

from tests.integration.api.answers import limits, refusals
from tests.integration.api.documents import COUNT, CREATE_TASK, UNKNOWN_TEMPLATE, UNKNOWN_WORKER, draft
from tests.integration.graphql_client import Gql


@pytest.mark.parametrize(
    ("changes", "code", "path"),
    [
        ({"templateId": UNKNOWN_TEMPLATE}, "NOT_FOUND", "templateId"),
        ({"templateId": "no id at all"}, "NOT_FOUND", "templateId"),
        ({"templateId": UNKNOWN_WORKER}, "NOT_FOUND", "templateId"),
        ({"workerId": UNKNOWN_WORKER}, "NOT_FOUND", "workerId"),
        ({"workerId": "wkr_x"}, "NOT_FOUND", "workerId"),
        ({"type": ""}, "INVALID_INPUT", "type"),
        ({"type": "two words"}, "INVALID_INPUT", "type"),
        ({"type": "a\0b"}, "INVALID_INPUT", "type"),
        ({"priority": 0}, "INVALID_INPUT", "priority"),
        ({"priority": 10}, "INVALID_INPUT", "priority"),
        ({"maxAttempts": 0}, "INVALID_INPUT", "maxAttempts"),
        ({"maxAttempts": 11}, "INVALID_INPUT", "maxAttempts"),
        ({"maxCost": -0.01}, "INVALID_INPUT", "maxCost"),
        ({"maxCost": 1e300}, "INVALID_INPUT", "maxCost"),
        ({"runAt": "9999-12-31T23:59:59-14:00"}, "INVALID_INPUT", "runAt"),
        ({"runAt": "2026-12-01T12:00:00"}, "INVALID_INPUT", "runAt"),
        ({"expiresAt": "2001-01-01T00:00:00Z"}, "INVALID_INPUT", "expiresAt"),
        ({"expiresAt": "2030-01-01T00:00:00"}, "INVALID_INPUT", "expiresAt"),
        ({"metadata": [1]}, "INVALID_INPUT", "metadata"),
        ({"metadata": {"a": "\0"}}, "INVALID_INPUT", "metadata"),
        ({"input": {"a": ["\0"]}}, "INVALID_INPUT", "input"),
        ({"input": {"\0": 1}}, "INVALID_INPUT", "input"),
        ({"tags": ["good", "b\0d"]}, "INVALID_INPUT", "tags/1"),
        ({"tags": [""]}, "INVALID_INPUT", "tags/0"),
    ],
)
async def test_wrong_value_is_named(gql: Gql, changes: dict[str, Any], code: str, path: str) -> None:
    created = (await gql(CREATE_TASK, input=draft(**changes)))["createTask"]

    assert created["task"] is None
    assert refusals(created) == [(code, ["input", *path.split("/")])]
    assert (await gql(COUNT))["tasks"]["totalCount"] == 0


@pytest.mark.parametrize(
    ("changes", "path", "limit", "actual"),
    [
        ({"type": "a" * 101}, "type", 100, 101),
        ({"tags": ["tag"] * 21}, "tags", 20, 21),
        ({"metadata": {"a": "x" * 16_384}}, "metadata", 16_384, 16_392),
        ({"input": {"a": "x" * 131_072}}, "input", 131_072, 131_080),
    ],
)
async def test_too_much_is_answered_with_the_limit(
    gql: Gql, changes: dict[str, Any], path: str, limit: int, actual: int
) -> None:
    created = (await gql(CREATE_TASK, input=draft(**changes)))["createTask"]

    assert created["task"] is None
    assert refusals(created) == [("LIMIT_EXCEEDED", ["input", path])]
    assert limits(created) == [(limit, actual)]


@pytest.mark.parametrize(
    ("type", "input", "path"),
    [
        ("email.reply", {}, ["email"]),
        ("email.reply", {"email": 5}, ["email"]),
        ("email.reply", {"email": "Hello", "colour": "red"}, ["colour"]),
        ("email.reply", "Hello", []),
        ("product.description", {"name": "Lamp", "features": ["bright", 7]}, ["features", "1"]),
    ],
)
async def test_input_that_fails_its_schema_is_answered_with_the_path_to_the_field(
    gql: Gql, type: str, input: object, path: list[str]
) -> None:
    created = (await gql(CREATE_TASK, input=draft(type=type, input=input)))["createTask"]

    assert created["task"] is None
    assert refusals(created) == [("INVALID_INPUT", ["input", "input", *path])]
    assert (await gql(COUNT))["tasks"]["totalCount"] == 0
