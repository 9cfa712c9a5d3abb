"""`bizq providers`, `bizq doctor` and Query.providers tell the same of a model that keeps failing."""

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import orjson
import pytest

from app.events.circuits import SharedCircuits
from app.events.client import redis_client
from app.services.routing.circuit import Circuit
from app.services.routing.configured import DEFAULT_MODELS
from app.settings import Settings
from tests.integration.cli.conftest import Result, Start
from tests.integration.graphql_client import Gql

Run = Callable[..., Awaitable[Result]]
MODEL = DEFAULT_MODELS["openai"]
PROVIDERS = """{ providers { name model circuits { model state reason since until }
  maxConcurrentCalls maxCallsPerMinute concurrentCalls } }"""


@pytest.fixture
def bizq(start: Start, settings: Settings) -> Run:
    async def run(*arguments: str, **environment: str) -> Result:
        known = {"DATABASE_URL": settings.app_database_url, "REDIS_URL": settings.redis, "OPENAI_API_KEY": "sk-test"}
        return await (await start(*arguments, **(known | environment))).result()

    return run


@pytest.fixture
async def failing(settings: Settings) -> AsyncIterator[None]:
    redis = redis_client(settings.redis)
    circuits, now = SharedCircuits(redis), time.time()
    opened = Circuit(f"openai/{MODEL}", "overloaded", since=now - 60, until=now + 300, times=3)
    await circuits.write(opened.ref, orjson.dumps(opened.as_json()))
    yield
    await circuits.remove(opened.ref)
    await redis.aclose()


async def test_a_provider_that_is_well(bizq: Run) -> None:
    ceilings = {"BIZQ_PROVIDER_CONCURRENCY": "openai=20", "BIZQ_PROVIDER_RATE": "openai=500"}
    told = (await bizq("providers", "--json", **ceilings)).json["providers"]
    table = (await bizq("providers")).out.splitlines()

    assert told == [
        {
            "name": "openai", "model": MODEL, "circuits": [], "concurrentCalls": 0, "maxConcurrentCalls": 20,
            "maxCallsPerMinute": 500,
        }
    ]  # fmt: skip
    assert [line.split() for line in table] == [
        ["PROVIDER", "MODEL", "STATE", "CALLS", "PER", "MINUTE"], ["openai", MODEL, "well", "–", "–"],
    ]  # fmt: skip


async def test_a_model_that_keeps_failing_is_told(bizq: Run, failing: None) -> None:
    (told,) = (await bizq("providers", "--json")).json["providers"]
    examined = (await bizq("doctor", "--json")).json["checks"]

    (circuit,) = told["circuits"]
    assert (circuit["model"], circuit["state"], circuit["reason"]) == (MODEL, "OPEN", "overloaded")
    assert "tried again in" in (await bizq("providers")).out
    (found,) = (check for check in examined if check["name"] == "models")
    assert found["finding"] == "warning"
    assert found["message"].startswith(f"{MODEL}: OPEN (overloaded), tried again in ")


async def test_without_redis_it_says_where_to_look(bizq: Run) -> None:
    result = await bizq("providers", REDIS_URL="redis://127.0.0.1:1/0")

    assert result.code == 1
    assert "bizq doctor" in result.err


async def providers(gql: Gql) -> dict[str, Any]:
    return {provider["name"]: provider for provider in (await gql(PROVIDERS))["providers"]}


async def test_query_providers_tells_it_too(gql: Gql, failing: None) -> None:
    async with asyncio.timeout(5):
        # The API hears of it a moment after it was written.
        while not (told := await providers(gql))["openai"]["circuits"]:  # noqa: ASYNC110
            await asyncio.sleep(0.05)
    (circuit,) = told["openai"]["circuits"]

    assert (circuit["model"], circuit["state"], circuit["reason"]) == (MODEL, "OPEN", "overloaded")
    assert told["anthropic"] == {
        "name": "anthropic", "model": DEFAULT_MODELS["anthropic"], "circuits": [], "maxConcurrentCalls": None,
        "maxCallsPerMinute": None, "concurrentCalls": None,
    }  # fmt: skip
