"""`bizq models`, on the database as its owner. Each test takes back what it changes: the catalogue is everybody's."""

from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import pytest
from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.services.routing import catalogue
from app.services.routing.catalogue import Models
from app.settings import Settings
from tests.integration.cli.conftest import Result, Start

Run = Callable[..., Awaitable[Result]]
NEW = ("--input-price", "7", "--output-price", "9", "--context", "1000", "--max-output", "100")


@pytest.fixture
def models(start: Start, settings: Settings) -> Run:
    async def models(*arguments: str) -> Result:
        addresses = {"DATABASE_URL": settings.app_database_url, "DATABASE_OWNER_URL": settings.owner_database_url}
        return await (await start("models", *arguments, **addresses)).result()

    return models


@pytest.fixture(autouse=True)
async def as_before(owner: AsyncEngine) -> AsyncIterator[None]:
    async with owner.begin() as connection:
        before = (await connection.execute(text("SELECT * FROM ai_models"))).mappings().all()
    yield
    columns = list(before[0])
    values = ", ".join(f":{name}" for name in columns)
    async with owner.begin() as connection:
        await connection.execute(text("DELETE FROM ai_models"))
        await connection.execute(
            text(f"INSERT INTO ai_models ({', '.join(columns)}) VALUES ({values})"), [dict(row) for row in before]
        )


async def test_list_tells_what_each_model_can_do_and_costs(models: Run) -> None:
    listed = (await models("list", "--json")).json["models"]
    table = (await models("list")).out.splitlines()

    (luna,) = (model for model in listed if model["name"] == "gpt-6-luna")
    assert [model["provider"] for model in listed] == sorted(model["provider"] for model in listed)
    assert luna == {
        "provider": "openai", "name": "gpt-6-luna", "aliases": ["gpt-3.5-turbo"], "inputPriceMicros": 100_000,
        "outputPriceMicros": 500_000, "cachedInputPriceMicros": 10_000, "contextTokens": 1_050_000,
        "maxOutputTokens": 128_000, "capabilities": ["chat", "json_schema", "vision", "tools"], "successor": None,
        "enabled": True, "changedAt": luna["changedAt"],
    }  # fmt: skip
    assert table[0].split()[:4] == ["PROVIDER", "MODEL", "INPUT", "OUTPUT"]
    assert len(table) == len(listed) + 1


async def test_set_changes_what_is_given_and_nothing_else(models: Run) -> None:
    before = (await models("list", "--json")).json["models"]
    changed = await models("set", "openai", "gpt-6-luna", "--output-price", "1", "--disable", "--json")
    back = await models("set", "openai", "gpt-6-luna", "--output-price", "500000", "--enable", "--json")

    assert (changed.json["outputPriceMicros"], changed.json["enabled"]) == (1, False)
    (luna,) = (model for model in before if model["name"] == "gpt-6-luna")
    assert back.json | {"changedAt": 0} == luna | {"changedAt": 0}
    assert back.json["changedAt"] > changed.json["changedAt"] > luna["changedAt"]


async def test_set_adds_a_model_which_costs_no_less_until_somebody_says_so(models: Run) -> None:
    added = await models("set", "openai", "gpt-7", *NEW, "--alias", "seven", "--successor", "gpt-6-luna", "--json")
    without = await models("set", "openai", "gpt-7", "--alias", "", "--successor", "", "--json")

    assert added.json | {"changedAt": 0} == {
        "provider": "openai", "name": "gpt-7", "aliases": ["seven"], "inputPriceMicros": 7, "outputPriceMicros": 9,
        "cachedInputPriceMicros": 7, "contextTokens": 1_000, "maxOutputTokens": 100, "capabilities": ["chat"],
        "successor": "gpt-6-luna", "enabled": True, "changedAt": 0,
    }  # fmt: skip
    assert (without.json["aliases"], without.json["successor"]) == ([], None)


REFUSALS: dict[str, tuple[tuple[str, ...], str]] = {
    "provider": (("nobody", "x", *NEW), "provider is one of "),
    "incomplete": (
        ("openai", "gpt-7", "--input-price", "1"),
        "openai/gpt-7 is not in the catalogue: to add it, give --output-price, --context, --max-output too.",
    ),
    "name": (("openai", "gpt 7", *NEW), "name has 1 to 200 characters, without white space."),
    "nothing": (("openai", "gpt-6-luna"), "Give at least one option that changes something, such as "),
    "price": (("openai", "gpt-6-luna", "--input-price", "-1"), "input-price is 0 to 1000000000000 micro-credits per "),
    "context": (("openai", "gpt-6-luna", "--context", "0"), "context is 1 to 100000000 tokens."),
    "output": (
        ("openai", "gpt-6-luna", "--context", "500"),
        "max-output is 128000, more than the context of 500 tokens.",
    ),
    "capability": (
        ("openai", "gpt-6-luna", "--capability", "smell"),
        "capability is one of chat, json_schema, vision, tools, not smell.",
    ),
    "alias of another": (
        ("openai", "gpt-6-luna", "--alias", "gpt-4"), "gpt-4 is an alias of openai/gpt-6.2-sol already, and within ",
    ),
    "alias that is a name": (
        ("anthropic", "claude-haiku-5-5", "--alias", "gpt-6-luna"),
        "gpt-6-luna is the name of openai/gpt-6-luna, which is found before any alias.",
    ),
    "alias like a reference": (
        ("openai", "gpt-6-luna", "--alias", "local/x"), "local/x reads as a provider and its model, so it cannot be ",
    ),
    "name that is an alias": (
        ("local", "gpt-4", *NEW), "gpt-4 is an alias of openai/gpt-6.2-sol, which would not be found any more.",
    ),
    "no successor": (
        ("openai", "gpt-6-luna", "--successor", "gpt-9"), "successor is gpt-9; there is no openai/gpt-9.",
    ),
    "itself": (
        ("openai", "gpt-6-luna", "--successor", "gpt-6-luna"),
        "Successors would go round in a circle: gpt-6-luna -> gpt-6-luna.",
    ),
    "circle": (
        ("openai", "gpt-6.2-sol", "--successor", "gpt-6.1-sol"),
        "Successors would go round in a circle: gpt-6.2-sol -> gpt-6.1-sol -> gpt-6.2-sol.",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", list(REFUSALS))
async def test_what_makes_no_sense_is_explained_and_changes_nothing(models: Run, owner: AsyncEngine, case: str) -> None:
    async def rows() -> list[Any]:
        async with owner.connect() as connection:
            return list((await connection.execute(text("SELECT * FROM ai_models ORDER BY 1, 2"))).all())

    arguments, message = REFUSALS[case]
    before = await rows()

    result = await models("set", *arguments)

    assert (result.code, result.out) == (1, "")
    assert result.err.startswith(f"error {message}"), result.err
    assert await rows() == before


async def test_providers_may_share_an_alias(models: Run) -> None:
    assert (await models("set", "anthropic", "claude-haiku-5-5", "--alias", "gpt-4")).code == 0


async def test_a_running_process_uses_the_change_within_two_seconds(
    models: Run, engine: AsyncEngine, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert catalogue.STALE_SECONDS <= 2
    running = Models(engine)
    before = (await running.current()).find("gpt-6-luna", {})
    await models("set", "openai", "gpt-6-luna", "--output-price", "123")

    monkeypatch.setattr(catalogue, "STALE_SECONDS", 0.0)
    after = (await running.current()).find("gpt-6-luna", {})

    assert [(model.price.output, model.enabled) for model in before + after] == [(500_000, True), (123, True)]
