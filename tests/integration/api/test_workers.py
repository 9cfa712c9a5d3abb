"""createWorker and workers."""

from typing import Any

import pytest

from tests.integration.api.answers import refusals
from tests.integration.api.documents import CREATE_TASK, CREATE_WORKER, draft
from tests.integration.graphql_client import Gql

AI = {"name": "Claude", "kind": "AI", "provider": "anthropic"}
LIST = """query($first: Int, $after: String) { workers(first: $first, after: $after) {
  nodes { name } edges { cursor } pageInfo { hasNextPage } } }"""


async def test_ai_worker_comes_back_as_described(gql: Gql) -> None:
    wanted = AI | {
        "name": "  Claude ",
        "model": "claude-x",
        "systemPrompt": "Be brief.",
        "parameters": {"maxOutputTokens": 100, "temperature": 0.5},
        "capabilities": ["json_schema"],
        "skills": ["German", "refunds"],
    }

    created = (await gql(CREATE_WORKER, input=wanted))["createWorker"]

    assert created["errors"] == []
    shown = {name: value for name, value in created["worker"].items() if name != "id"}
    hidden = ("systemPrompt", "parameters")
    assert shown == {name: wanted[name] for name in wanted if name not in hidden} | {"name": "Claude", "enabled": True}


@pytest.mark.parametrize(
    ("wanted", "path"),
    [
        (AI | {"name": " "}, "name"),
        (AI | {"name": "n" * 201}, "name"),
        (AI | {"name": "a\0b"}, "name"),
        (AI | {"provider": None}, "provider"),
        (AI | {"provider": "acme"}, "provider"),
        (AI | {"model": ""}, "model"),
        (AI | {"model": "m\0"}, "model"),
        (AI | {"systemPrompt": "x" * 8_001}, "systemPrompt"),
        (AI | {"systemPrompt": "\0"}, "systemPrompt"),
        (AI | {"parameters": []}, "parameters"),
        (AI | {"parameters": 7}, "parameters"),
        (AI | {"parameters": {"topK": 5}}, "parameters/topK"),
        (AI | {"parameters": {"temperature": 2.5}}, "parameters/temperature"),
        (AI | {"parameters": {"temperature": True}}, "parameters/temperature"),
        (AI | {"parameters": {"maxOutputTokens": 0}}, "parameters/maxOutputTokens"),
        (AI | {"parameters": {"maxOutputTokens": 1.5}}, "parameters/maxOutputTokens"),
        (AI | {"limits": {"maxCostMicros": -1}}, "limits/maxCostMicros"),
        (AI | {"limits": {"maxCostMicros": 1_000_000_001}}, "limits/maxCostMicros"),
        (AI | {"limits": {"maxOutputTokens": 0}}, "limits/maxOutputTokens"),
        (AI | {"limits": {"maxOutputTokens": 32_769}}, "limits/maxOutputTokens"),
        (AI | {"parameters": {"limits": {}}}, "parameters/limits"),
        ({"name": "Ann", "kind": "HUMAN", "limits": {"maxOutputTokens": 5}}, "limits"),
        (AI | {"capabilities": ["a"] * 21}, "capabilities"),
        (AI | {"skills": ["good", ""]}, "skills/1"),
        (AI | {"skills": ["s" * 51]}, "skills/0"),
        ({"name": "Ann", "kind": "HUMAN", "provider": "openai"}, "provider"),
        ({"name": "Ann", "kind": "HUMAN", "model": "gpt"}, "model"),
        ({"name": "Ann", "kind": "EXTERNAL", "systemPrompt": "Be kind."}, "systemPrompt"),
        ({"name": "Ann", "kind": "EXTERNAL", "parameters": {"temperature": 1}}, "parameters"),
    ],
    ids=lambda value: value if isinstance(value, str) else "",
)
async def test_wrong_value_is_named_and_nothing_written(gql: Gql, wanted: dict[str, Any], path: str) -> None:
    created = (await gql(CREATE_WORKER, input=wanted))["createWorker"]

    assert created["worker"] is None
    assert refusals(created) == [("INVALID_INPUT", ["input", *path.split("/")])]
    assert (await gql(LIST))["workers"]["nodes"] == []


async def test_workers_are_listed_in_the_order_of_their_creation(gql: Gql) -> None:
    for name in ("one", "two", "three"):
        await gql(CREATE_WORKER, input={"name": name, "kind": "HUMAN"})

    first = (await gql(LIST, first=2))["workers"]
    second = (await gql(LIST, first=2, after=first["edges"][1]["cursor"]))["workers"]

    assert [node["name"] for node in first["nodes"] + second["nodes"]] == ["one", "two", "three"]
    assert (first["pageInfo"]["hasNextPage"], second["pageInfo"]["hasNextPage"]) == (True, False)


async def test_task_for_a_worker_whose_provider_is_not_configured_is_refused(gql: Gql) -> None:
    local = (await gql(CREATE_WORKER, input=AI | {"provider": "local"}))["createWorker"]["worker"]

    created = (await gql(CREATE_TASK, input=draft(workerId=local["id"])))["createTask"]

    assert refusals(created) == [("PROVIDER_UNAVAILABLE", None)]
