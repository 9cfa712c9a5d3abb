"""A purse for ten tasks and 64 who want one at once."""

import asyncio
from datetime import timedelta
from typing import Any

import httpx
import pytest
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app import clock
from app.db.engine import sqlalchemy_url
from app.models import LedgerKind
from app.services.billing import credits
from app.services.billing.verify import verify
from app.settings import Settings
from tests.integration.conftest import MakeTenant, Tenant
from tests.integration.graphql_client import Gql

FUNDED, WANTED = 10, 64
QUOTE = "query($input: CreateTaskInput!) { quoteTask(input: $input) { ceilingMicros } }"
CREATE = """mutation($input: CreateTaskInput!) { createTask(input: $input) {
  task { id reservedMicros } errors { code ... on CreditsError { requiredMicros availableMicros } } } }"""


@pytest.fixture
async def owner_engine(settings: Settings) -> Any:
    engine = create_async_engine(sqlalchemy_url(settings.owner_database_url))
    yield engine
    await engine.dispose()


def later() -> dict[str, Any]:
    """It keeps what is held for it: it does not run meanwhile."""
    text = "Snow delayed the parcel to Oslo by two days."
    return {"type": "text.summarize", "input": {"text": text}, "runAt": (clock.now() + timedelta(hours=1)).isoformat()}


async def samples(engine: AsyncEngine, tenant: Tenant, done: asyncio.Event) -> int:
    """How often the ledger was proved meanwhile, every 200 ms."""
    taken = 0
    while not done.is_set():
        report = await verify(engine, tenant.account.workspace_id, lambda *_: None)
        assert report is not None and report.breaks == []
        taken += 1
        await asyncio.sleep(0.2)
    return taken


async def test_credits_for_ten_accept_exactly_ten_of_64(
    make_tenant: MakeTenant, api: str, owner_engine: AsyncEngine
) -> None:
    tenant, done = await make_tenant(credits_micros=0), asyncio.Event()
    # As many connections, so that nothing but the service itself puts them in order.
    async with httpx.AsyncClient(limits=httpx.Limits(max_connections=WANTED), timeout=30) as http:
        gql = Gql(http, api, tenant.api_key)
        ceiling = (await gql(QUOTE, input=later()))["quoteTask"]["ceilingMicros"]
        await credits.post(owner_engine, tenant.account.workspace_id, LedgerKind.GRANT, FUNDED * ceiling, "test")
        async with asyncio.TaskGroup() as group:
            proof = group.create_task(samples(owner_engine, tenant, done))
            answers = await asyncio.gather(*(gql(CREATE, input=later()) for _ in range(WANTED)))
            done.set()

    accepted = [answer["createTask"]["task"] for answer in answers if answer["createTask"]["task"] is not None]
    refused = [error for answer in answers for error in answer["createTask"]["errors"]]
    assert [task["reservedMicros"] for task in accepted] == [ceiling] * FUNDED
    assert [error["code"] for error in refused] == ["INSUFFICIENT_CREDITS"] * (WANTED - FUNDED)
    assert {(error["requiredMicros"], error["availableMicros"]) for error in refused} == {(ceiling, 0)}
    assert proof.result() >= 1
