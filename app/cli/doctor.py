"""`bizq doctor`: what the installation needs, and whether it is there."""

import asyncio
import os
from collections.abc import AsyncIterator
from typing import Annotated
from urllib.parse import urlsplit

import httpx
import redis
import typer
from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine

from app import clock, settings
from app.cli.check import NAMED, Check, Finding, print_check
from app.cli.client import find_service
from app.cli.console import print_json
from app.cli.environment import PROVIDER_VARIABLES, running_instance
from app.cli.providers import NotTold, circuit_in_words, look
from app.cli.queue_checks import PATIENCE, queue_checks
from app.db.engine import APP_ROLE, create_engine
from app.db.guard import UnknownKey, check_encryption_keys, check_role, migration_head
from app.db.revision import expected_head
from app.db.vault import Vault
from app.errors import AppError
from app.events.client import redis_client
from app.services.routing.configured import configured_models
from app.services.task.health import queue_health, stuck_tasks
from app.settings import Settings, SettingsError

ANSWER_SECONDS = 5.0


def doctor(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Check database, migrations, Redis, AI providers, API and queue, and name the tasks that are stuck.

    Exit code 1 when something is wrong.

    Example: bizq doctor
    """
    checks = asyncio.run(examine())
    healthy = all(check.finding is not Finding.FAILED for check in checks)
    if json:
        print_json({"ok": healthy, "checks": [check.as_json() for check in checks]})
    else:
        for check in checks:
            print_check(check)
    raise typer.Exit(0 if healthy else 1)


async def examine() -> list[Check]:
    """Every check, in the order in which things depend on each other."""
    try:
        loaded = settings.load()
    except SettingsError as error:
        return [Check("settings", Finding.FAILED, error.message), await _api()]
    checks = [Check("settings", Finding.OK, "complete")]
    checks += [check async for check in _database(loaded)]
    checks.append(await _redis(loaded))
    checks += await asyncio.gather(*_providers(loaded))
    checks += await _circuits(loaded)
    checks.append(await _api())
    return checks


async def _database(loaded: Settings) -> AsyncIterator[Check]:
    if loaded.database_url is None:
        yield Check(
            "database", Finding.FAILED, "DATABASE_URL is not set.", "Set it, or start everything with `bizq up`."
        )
        return
    engine = create_engine(loaded)
    try:
        await check_role(engine)
        version = ".".join(map(str, engine.dialect.server_version_info or ()))
        yield Check(
            "database", Finding.OK, f"PostgreSQL {version} at {engine.url.host}:{engine.url.port or 5432} as {APP_ROLE}"
        )
        for check in await _schema_and_queue(engine, loaded):
            yield check
    except AppError as error:
        yield Check("database", Finding.FAILED, error.message)
    finally:
        await engine.dispose()


async def _schema_and_queue(engine: AsyncEngine, loaded: Settings) -> list[Check]:
    checks: list[Check] = []
    try:
        head = await migration_head(engine)
        if head != expected_head():
            message = f"The database is at {head or 'no revision'}; this version needs {expected_head()}."
            return [Check("migrations", Finding.FAILED, message, "Run `bizq migrate`.")]
        checks.append(Check("migrations", Finding.OK, f"at {head}"))
        checks.append(await _keys(engine, loaded))
        # One more than is named, to know whether there are more.
        stuck = await stuck_tasks(engine, patience=PATIENCE, most=NAMED + 1)
        checks += queue_checks(await queue_health(engine), stuck)
    except (SQLAlchemyError, OSError, TimeoutError) as error:
        name = "queue" if checks else "migrations"
        checks.append(Check(name, Finding.FAILED, f"The database did not tell ({type(error).__name__})."))
    return checks


async def _keys(engine: AsyncEngine, loaded: Settings) -> Check:
    if loaded.bizq_encryption_key is None:
        advice = "Set it to what the APIs have, to see whether it opens what is stored."
        return Check("encryption key", Finding.SKIPPED, "BIZQ_ENCRYPTION_KEY is not set here", advice)
    try:
        await check_encryption_keys(engine, Vault(loaded.encryption_keys))
    except UnknownKey as error:
        return Check("encryption key", Finding.FAILED, error.message)
    return Check("encryption key", Finding.OK, "opens what is stored")


async def _redis(loaded: Settings) -> Check:
    if loaded.redis_url is None:
        return Check("redis", Finding.FAILED, "REDIS_URL is not set.", "Set it, or start everything with `bizq up`.")
    address = urlsplit(loaded.redis)
    place = f"{address.hostname or 'localhost'}:{address.port or 6379}"
    client = redis_client(loaded.redis)
    try:
        async with asyncio.timeout(ANSWER_SECONDS):
            version = (await client.info("server"))["redis_version"]
    except (redis.RedisError, OSError, TimeoutError) as error:
        advice = "Nothing is lost without it, but events are late. Check REDIS_URL."
        return Check("redis", Finding.FAILED, f"Nothing answers at {place} ({type(error).__name__}).", advice)
    finally:
        await client.aclose()
    return Check("redis", Finding.OK, f"Redis {version} at {place}")


def _providers(loaded: Settings) -> list[asyncio.Task[Check]]:
    models = configured_models(loaded)
    if not models:
        return [asyncio.create_task(_no_provider())]
    return [asyncio.create_task(_provider(loaded, name, model)) for name, model in models.items()]


async def _no_provider() -> Check:
    *others, last = PROVIDER_VARIABLES
    advice = f"Set {', '.join(others)} or {last}, or start everything with `bizq up`."
    return Check("providers", Finding.FAILED, "No AI provider is configured.", advice)


async def _provider(loaded: Settings, name: str, model: str) -> Check:
    """Only the local server is asked: with the others every question might be counted or paid."""
    if name != "local" or loaded.local_base_url is None:
        address = loaded.provider_options()[f"{name}_base_url"] or "the vendor"
        told = loaded.replicate_webhook_url if name == "replicate" else None
        ends = f"; it tells ends at {told}" if told is not None else ""
        return Check(f"provider {name}", Finding.OK, f"has a key, uses {model} at {address} (not called){ends}")
    url = loaded.local_base_url.rstrip("/")
    try:
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as http:
            (await http.get(f"{url}/models")).raise_for_status()
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        reason = str(error) or type(error).__name__
        return Check("provider local", Finding.FAILED, f"{url} does not answer: {reason}", "Check LOCAL_BASE_URL.")
    return Check("provider local", Finding.OK, f"answers at {url}, uses {model}")


async def _circuits(loaded: Settings) -> list[Check]:
    """Of the models that keep failing; nothing where that cannot be known."""
    if loaded.redis_url is None:
        return []
    try:
        found = await look(loaded)
    except NotTold:
        return []
    now = clock.now().timestamp()
    failing = [circuit_in_words(circuit, now) for provider in found for circuit in provider.circuits]
    if not failing:
        return [Check("models", Finding.OK, "none keeps failing")]
    advice = (
        "Tasks go to their next model, or wait. Look at the vendor's status page, the key, and the logs of the workers."
    )
    return [Check("models", Finding.WARNING, "; ".join(failing), advice)]


async def _api() -> Check:
    if not os.environ.get("BIZQ_URL") and running_instance() is None:
        return Check(
            "api", Finding.SKIPPED, "no running instance is known here", "To check one, set BIZQ_URL and BIZQ_API_KEY."
        )
    try:
        url = find_service().url
        async with httpx.AsyncClient(timeout=ANSWER_SECONDS) as http:
            response = await http.get(f"{url}/readyz")
        states = response.json()["checks"]
    except AppError as error:
        return Check("api", Finding.FAILED, error.message)
    except (httpx.HTTPError, ValueError, KeyError, TypeError) as error:
        return Check(
            "api", Finding.FAILED, f"{url} does not answer as BizQ would ({type(error).__name__}).", "Start `bizq api`."
        )
    text = ", ".join(f"{name} {state}" for name, state in states.items())
    finding = Finding.OK if response.is_success else Finding.FAILED
    return Check("api", finding, f"answers at {url}: {text}")
