"""NUL, lone surrogates and numbers without measure never reach PostgreSQL, whichever way they come."""

from collections.abc import Awaitable, Callable
from typing import Any

import httpx
import pytest

from tests.integration.api.answers import code, extensions, refusals
from tests.integration.api.conftest import MakeTasks
from tests.integration.api.documents import CANCEL_TASK, COUNT, CREATE_TASK, CREATE_TEMPLATE, draft
from tests.integration.graphql_client import Gql

Post = Callable[..., Awaitable[httpx.Response]]


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        ({"search": "\0"}, ["search"]),
        ({"types": ["good", "b\0d"]}, ["types"]),
        ({"tags": ["\0"]}, ["tags"]),
        ({"inputContains": {"a": "\0"}}, ["inputContains"]),
    ],
)
async def test_nul_in_a_filter_is_refused(gql: Gql, wanted: dict[str, Any], path: list[str]) -> None:
    response = await gql.raw(COUNT, filter=wanted)

    assert extensions(response) == {"code": "BAD_USER_INPUT", "path": ["filter", *path]}


@pytest.mark.parametrize("argument", ["search", "category"])
async def test_nul_in_a_search_for_templates_is_refused(gql: Gql, argument: str) -> None:
    response = await gql.raw(f"query($text: String) {{ templates({argument}: $text) {{ nodes {{ id }} }} }}", text="\0")

    assert extensions(response) == {"code": "BAD_USER_INPUT", "path": [argument]}


async def test_nul_in_a_reason_is_refused_and_the_task_goes_on(gql: Gql, make_tasks: MakeTasks) -> None:
    (task_id,) = await make_tasks(draft())

    refused = (await gql(CANCEL_TASK, id=task_id, reason="be\0cause"))["cancelTask"]

    assert refusals(refused) == [("INVALID_INPUT", ["reason"])]
    assert (await gql("query($id: ID!) { task(id: $id) { status } }", id=task_id))["task"]["status"] == "SCHEDULED"


@pytest.mark.parametrize("field", ["name", "prompt", "inputSchema", "outputSchema"])
async def test_nul_in_a_template_is_refused(gql: Gql, field: str) -> None:
    value = {"type": "object", "description": "\0"} if field.endswith("Schema") else "a\0b"
    template = {"slug": "own.kind", "name": "Own", "prompt": "Do it."} | {field: value}

    created = (await gql(CREATE_TEMPLATE, input=template))["createTemplate"]

    assert created["template"] is None
    assert refusals(created) == [("INVALID_INPUT", ["input", field])]


@pytest.mark.parametrize("text", [rb'"\ud800"', rb'"\udfff\ud800"', b"NaN", b"Infinity", b"1e400", b"9" * 5000])
async def test_json_that_is_no_unicode_or_no_number_is_refused(post: Post, gql: Gql, text: bytes) -> None:
    query = CREATE_TASK.replace("\n", " ").encode()
    body = b'{"query": "%s", "variables": {"input": {"type": "note.write", "input": %s}}}' % (query, text)

    assert code(await post(body)) == (400, "BAD_USER_INPUT")
    assert (await gql(COUNT))["tasks"]["totalCount"] == 0


@pytest.mark.parametrize(
    ("literal", "expected"),
    [
        (r'"\ud800"', "GRAPHQL_PARSE_FAILED"),
        (r'"\uDFFF\uD800"', "GRAPHQL_PARSE_FAILED"),
        ("1e400", "GRAPHQL_VALIDATION_FAILED"),
        ("{a: [-1e400]}", "GRAPHQL_VALIDATION_FAILED"),
        ("9" * 5000, "GRAPHQL_VALIDATION_FAILED"),
    ],
)
async def test_same_written_into_the_document_is_refused(gql: Gql, literal: str, expected: str) -> None:
    document = 'mutation { createTask(input: {type: "note.write", input: %s}) { task { id } } }'

    assert extensions(await gql.raw(document % literal)) == {"code": expected}


async def test_whole_number_beyond_64_bits_in_the_document_is_refused(gql: Gql) -> None:
    document = """mutation { createTask(input: {type: "note.write", input: {a: 99999999999999999999}}) {
      task { id } errors { code path } } }"""

    created = (await gql(document))["createTask"]

    assert refusals(created) == [("INVALID_INPUT", ["input", "input"])]


async def test_not_a_number_is_no_cost(gql: Gql) -> None:
    document = 'mutation { createTask(input: {type: "a", input: 1, maxCost: %s}) { task { id } errors { code path } } }'

    infinite = (await gql(document % "1e999"))["createTask"]

    assert refusals(infinite) == [("INVALID_INPUT", ["input", "maxCost"])]
    assert extensions(await gql.raw(document % "NaN")) == {"code": "GRAPHQL_VALIDATION_FAILED"}
    assert extensions(await gql.raw(CREATE_TASK, input=draft(maxCost="NaN"))) == {"code": "BAD_USER_INPUT"}
