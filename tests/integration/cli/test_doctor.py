import base64
from typing import Any

import pytest
from pydantic import SecretStr
from sqlalchemy.ext.asyncio import AsyncEngine

from app.cli.check import Check, Finding
from app.cli.doctor import _provider
from app.services.task.health import queue_health
from app.settings import Settings
from tests.integration.cli.conftest import Bizq, Start
from tests.integration.conftest import Fakes

# Other tests leave work behind, of which these tell.
ELSEWHERE = ("queue", "attempts", "lost tasks")


@pytest.fixture
def database(settings: Settings) -> dict[str, str]:
    assert settings.bizq_encryption_key is not None
    return {
        "DATABASE_URL": settings.app_database_url,
        "REDIS_URL": settings.redis,
        "OPENAI_API_KEY": "sk-test",
        "BIZQ_ENCRYPTION_KEY": settings.bizq_encryption_key.get_secret_value(),
    }


def findings(answer: Any) -> dict[str, str]:
    return {check["name"]: check["finding"] for check in answer["checks"]}


async def test_an_installation_is_examined_piece_by_piece(bizq: Bizq, database: dict[str, str]) -> None:
    result = await bizq("doctor", "--json", **database)

    assert list(findings(result.json)) == [
        "settings", "database", "migrations", "encryption key", "queue", "leases", "attempts", "lost tasks", "redis",
        "provider openai", "models", "api",
    ]  # fmt: skip
    assert {name: found for name, found in findings(result.json).items() if name not in ELSEWHERE} == {
        "settings": "ok", "database": "ok", "migrations": "ok", "encryption key": "ok", "leases": "ok", "redis": "ok",
        "provider openai": "ok", "models": "ok", "api": "ok",
    }  # fmt: skip
    assert "sk-test" not in result.out


@pytest.mark.usefixtures("tenant")
async def test_a_key_that_does_not_open_what_is_stored_is_found(
    bizq: Bizq, start: Start, database: dict[str, str], settings: Settings
) -> None:
    database |= {"BIZQ_ENCRYPTION_KEY": base64.b64encode(bytes(range(1, 33))).decode()}
    assert settings.bizq_token_key is not None

    found = findings((await bizq("doctor", "--json", **database)).json)
    database |= {"BIZQ_TOKEN_KEY": settings.bizq_token_key.get_secret_value(), "BIZQ_PORT": "1"}
    served = await (await start("api", **database)).result()

    assert found["encryption key"] == "failed"
    assert served.code == 1
    assert served.err.startswith("error People are sealed with the key ")


async def test_what_is_missing_is_said_in_plain_words(start: Start) -> None:
    command = await start(
        "doctor", DATABASE_URL="postgresql://bizq:secret@127.0.0.1:1/bizq", REDIS_URL="redis://127.0.0.1:1"
    )

    result = await command.result()

    assert result.code == 1
    assert "✗ database          Cannot work with the database at 127.0.0.1:1 as bizq_app" in result.out
    assert "✗ redis             Nothing answers at 127.0.0.1:1" in result.out
    assert "✗ providers         No AI provider is configured." in result.out
    assert "– api               no running instance is known here" in result.out
    assert "secret" not in result.out + result.err


async def test_a_wrong_setting_is_the_first_finding(start: Start) -> None:
    result = await (await start("doctor", "--json", BIZQ_PORT="none")).result()

    assert result.code == 1
    assert result.json["checks"][0]["finding"] == "failed"
    assert result.json["checks"][0]["message"].startswith("BIZQ_PORT: ")


async def test_the_local_model_server_is_asked(settings: Settings, fakes: Fakes) -> None:
    loaded = settings.model_copy(update={"local_base_url": f"{fakes.url}/nothing"})

    check = await _provider(loaded, "local", "smollm2")

    assert check.finding is Finding.FAILED
    assert "404" in check.message
    assert isinstance(check, Check)


@pytest.mark.parametrize(
    ("changes", "said"),
    [
        ({}, "has a key, uses m at the vendor (not called)"),
        ({"replicate_base_url": "http://127.0.0.1:1"}, "has a key, uses m at http://127.0.0.1:1 (not called)"),
        (
            {"replicate_webhook_secret": SecretStr("whsec_x"), "bizq_api_url": "https://api.example.com"},
            "has a key, uses m at the vendor (not called); "
            "it tells ends at https://api.example.com/webhooks/in/replicate",
        ),
    ],
)
async def test_replicate_is_not_called_either(settings: Settings, changes: dict[str, Any], said: str) -> None:
    check = await _provider(settings.model_copy(update=changes), "replicate", "m")

    assert (check.finding, check.message) == (Finding.OK, said)


async def test_health_counts_across_workspaces(settings: Settings, engine: AsyncEngine, bizq: Bizq) -> None:
    before = await queue_health(engine)
    ids = [(await bizq("run", "text.summarize", "x", "--no-wait")).out.strip() for _ in range(2)]

    after = await queue_health(engine)

    assert len(ids) == 2
    assert after.due >= before.due + 2
    assert after.oldest_due_since is not None
    assert after.oldest_due_since <= after.now
