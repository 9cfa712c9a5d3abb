"""A request with a key is done once, however often and however much at once it is sent."""

import asyncio
from typing import Any

from tests.integration.graphql_client import Gql

CREATE = """mutation($input: CreateTaskInput!, $key: String) { createTask(input: $input, idempotencyKey: $key) {
  task { id } replayed errors { code path } } }"""
CREATE_MANY = """mutation($inputs: [CreateTaskInput!]!, $key: String) {
  createTasks(inputs: $inputs, idempotencyKey: $key) {
    results { task { id } replayed errors { code path } } errors { code } } }"""
COUNT = "{ tasks { totalCount } }"


def draft(text: str = "Snow.") -> dict[str, Any]:
    return {"type": "text.summarize", "input": {"text": text}}


async def test_same_key_and_input_gives_the_first_answer(gql: Gql) -> None:
    first = (await gql(CREATE, input=draft(), key="order-1"))["createTask"]
    second = (await gql(CREATE, input=draft(), key="order-1"))["createTask"]

    assert (first["replayed"], second["replayed"]) == (False, True)
    assert second["task"] == first["task"]
    assert (await gql(COUNT))["tasks"]["totalCount"] == 1


async def test_same_key_with_other_input_is_refused(gql: Gql) -> None:
    await gql(CREATE, input=draft(), key="order-1")

    refused = (await gql(CREATE, input=draft("Rain."), key="order-1"))["createTask"]

    assert refused["errors"] == [{"code": "IDEMPOTENCY_KEY_MISMATCH", "path": ["idempotencyKey"]}]
    assert (await gql(COUNT))["tasks"]["totalCount"] == 1


async def test_parallel_requests_with_one_key_make_one_task(gql: Gql) -> None:
    answers = await asyncio.gather(*(gql(CREATE, input=draft(), key="order-1") for _ in range(20)))

    assert {answer["createTask"]["task"]["id"] for answer in answers} == {answers[0]["createTask"]["task"]["id"]}
    assert sum(not answer["createTask"]["replayed"] for answer in answers) == 1
    assert (await gql(COUNT))["tasks"]["totalCount"] == 1


async def test_a_refused_request_leaves_its_key_free(gql: Gql) -> None:
    refused = (await gql(CREATE, input={"type": "text.summarize", "input": {}}, key="order-1"))["createTask"]
    accepted = (await gql(CREATE, input=draft(), key="order-1"))["createTask"]

    assert refused["errors"] == [{"code": "INVALID_INPUT", "path": ["input", "input", "text"]}]
    assert accepted["replayed"] is False


async def test_a_batch_is_replayed_with_its_errors(gql: Gql) -> None:
    inputs = [draft(), {"type": "text.summarize", "input": {}}]
    first = (await gql(CREATE_MANY, inputs=inputs, key="batch-1"))["createTasks"]["results"]
    second = (await gql(CREATE_MANY, inputs=inputs, key="batch-1"))["createTasks"]["results"]

    assert [item["replayed"] for item in second] == [True, True]
    assert [{**item, "replayed": False} for item in second] == first
    assert first[1]["errors"] == [{"code": "INVALID_INPUT", "path": ["inputs", "1", "input", "text"]}]
