"""The catalogue as partners see it, and what templates and workers say about routing."""

from typing import Any

import pytest

from app.principal import Role
from tests.integration.api.documents import CREATE_TEMPLATE, CREATE_WORKER
from tests.integration.conftest import MakeTenant
from tests.integration.graphql_client import Gql

MODELS = """{ models { provider name aliases contextTokens maxOutputTokens capabilities inputPriceMicros
  outputPriceMicros cachedInputPriceMicros configured } }"""
LIMITS = """mutation($input: CreateWorkerInput!) { createWorker(input: $input) {
  worker { id limits { maxCostMicros maxOutputTokens } } errors { message } } }"""
CREATE_TASK = """mutation($input: CreateTaskInput!) { createTask(input: $input) {
  task { id } errors { code path message } } }"""
QUOTE = """query($input: CreateTaskInput!) { quoteTask(input: $input) { ceilingMicros errors { code path message }
  routing { provider model tier reasons } } }"""
NOTE = {"type": "note.write", "input": {"text": "Snow delayed the parcel."}}
PER_TOKEN = 0.5


async def quote(gql: Gql, **changes: Any) -> dict[str, Any]:
    answer: dict[str, Any] = (await gql(QUOTE, input=NOTE | changes))["quoteTask"]
    return answer


async def worker_with(gql: Gql, **limits: int) -> str:
    wanted = {"name": "Luna", "kind": "AI", "provider": "openai", "limits": limits}
    created = (await gql(LIMITS, input=wanted))["createWorker"]
    expected = {name: limits.get(name) for name in ("maxCostMicros", "maxOutputTokens")}
    assert (created["errors"], created["worker"]["limits"]) == ([], expected)
    return str(created["worker"]["id"])


@pytest.mark.parametrize("role", [Role.OWNER, Role.VIEWER])
async def test_everybody_signed_in_sees_the_models_and_their_prices(
    gql_as: Any, make_tenant: MakeTenant, role: Role
) -> None:
    models = (await gql_as(await make_tenant(role))(MODELS))["models"]

    (luna,) = (model for model in models if model["name"] == "gpt-6-luna")
    assert luna == {
        "provider": "openai", "name": "gpt-6-luna", "aliases": ["gpt-3.5-turbo"], "contextTokens": 1_050_000,
        "maxOutputTokens": 128_000, "capabilities": ["chat", "json_schema", "tools", "vision"],
        "inputPriceMicros": 100_000, "outputPriceMicros": 500_000, "cachedInputPriceMicros": 10_000,
        "configured": True,
    }  # fmt: skip
    assert {model["provider"]: model["configured"] for model in models} == {
        "openai": True, "anthropic": True, "huggingface": False, "replicate": False, "local": False,
    }  # fmt: skip


async def test_a_worker_without_limits_shows_none(gql: Gql) -> None:
    await worker_with(gql)


async def test_a_workers_limits_bound_what_a_task_may_take(gql: Gql) -> None:
    free = await worker_with(gql)
    short, cheap = await worker_with(gql, maxOutputTokens=100), await worker_with(gql, maxCostMicros=50)

    unbound = (await quote(gql, workerId=free))["ceilingMicros"]
    assert unbound - (await quote(gql, workerId=short))["ceilingMicros"] == PER_TOKEN * (1_024 - 100)
    assert (await quote(gql, workerId=cheap))["ceilingMicros"] == 50
    assert (await quote(gql, workerId=cheap, maxCost=1.0))["ceilingMicros"] == 50
    assert (await quote(gql, workerId=cheap, maxCost=0.00004))["ceilingMicros"] == 40


async def test_a_limit_that_no_model_fits_is_named_as_the_workers(gql: Gql) -> None:
    worker_id = await worker_with(gql, maxCostMicros=1)

    created = (await gql(CREATE_TASK, input=NOTE | {"workerId": worker_id}))["createTask"]

    assert created["task"] is None
    (error,) = created["errors"]
    assert (error["code"], error["path"]) == ("INVALID_INPUT", ["input", "workerId"])
    assert error["message"].endswith("it may cost 1. That is the limit of the worker.")


async def test_a_templates_class_and_tier_choose_the_model_and_its_price_the_ceiling(gql: Gql) -> None:
    wanted = {"slug": "note.write", "name": "Note", "category": "general", "prompt": "Write: {{text}}"}
    config = {"modelClass": "content_generation", "tier": "fallback", "priceMicros": 2_000, "maxOutputTokens": 10_000}
    created = (await gql(CREATE_TEMPLATE, input=wanted | {"config": config}))["createTemplate"]
    assert created["errors"] == []

    quoted = await quote(gql)

    assert quoted["errors"] == []
    assert (quoted["routing"]["model"], quoted["routing"]["tier"]) == ("claude-opus-5-5", "fallback")
    assert quoted["routing"]["reasons"][0] == "the template asks for content_generation/fallback"
    assert 3_980 <= quoted["ceilingMicros"] <= 4_000
    assert (await quote(gql, maxCost=0.01))["ceilingMicros"] > 9_900


async def test_a_human_has_no_limits(gql: Gql) -> None:
    created = (await gql(CREATE_WORKER, input={"name": "Ann", "kind": "HUMAN", "parameters": []}))["createWorker"]

    assert created["errors"] == []
