"""Clients that hang up while their request is being answered."""

import asyncio
import random
from typing import cast

import httpx
import pytest
from sqlalchemy import QueuePool, text
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.db.engine import sqlalchemy_url
from app.db.reader import Reader
from app.services.account import queries as accounts
from app.settings import Settings
from tests.integration.api.conftest import OwnApi
from tests.integration.conftest import Tenant
from tests.integration.graphql_client import Gql

REQUESTS = 2_000
LANES = 20
POOL = 5
PAGE = "{ tasks(first: 50) { totalCount nodes { id type worker { name } template { number } } } }"
CREATE = 'mutation { createTask(input: {type: "note.write", input: {}}) { task { id } } }'
CONNECTIONS = """SELECT count(*) AS all, count(*) FILTER (WHERE state <> 'idle') AS busy
    FROM pg_stat_activity WHERE application_name = 'bizq' AND client_port <> :mine"""


@pytest.mark.usefixtures("executed_once")
async def test_thousands_of_hang_ups_leave_the_pool_as_it_was(
    own_api: OwnApi, tenant: Tenant, settings: Settings
) -> None:
    owner = create_async_engine(sqlalchemy_url(settings.owner_database_url))

    async def connections() -> tuple[int, int]:
        async with owner.connect() as connection:
            row = (await connection.execute(text(CONNECTIONS), {"mine": 0})).one()
        return row.all, row.busy

    async with own_api(bizq_database_pool=POOL) as url:
        before, _ = await connections()

        async def hang_up(lane: int) -> None:
            chance = random.Random(lane)
            async with httpx.AsyncClient() as http:
                gql = Gql(http, url, tenant.api_key)
                for number in range(REQUESTS // LANES):
                    request = asyncio.create_task(gql.raw(CREATE if number % 4 == 0 else PAGE))
                    await asyncio.sleep(chance.random() * 0.03)
                    request.cancel()
                    await asyncio.gather(request, return_exceptions=True)

        await asyncio.gather(*(hang_up(lane) for lane in range(LANES)))

        async with httpx.AsyncClient(timeout=10) as http:
            gql = Gql(http, url, tenant.api_key)
            answers = await asyncio.gather(*(gql.raw(PAGE) for _ in range(POOL * 4)))
        async with asyncio.timeout(10):
            while (found := await connections())[1]:  # noqa: ASYNC110 what is waited for announces nothing
                await asyncio.sleep(0.1)

    await owner.dispose()
    assert [answer.status_code for answer in answers] == [200] * len(answers)
    assert all("errors" not in answer.json() for answer in answers)
    assert found[0] <= before + POOL


async def test_a_field_that_is_late_keeps_no_connection(engine: AsyncEngine, tenant: Tenant) -> None:
    pool = cast(QueuePool, engine.pool)
    before = pool.checkedout()
    reader = Reader(engine, tenant.principal, keep=True)
    await reader.rows(accounts.workspace())
    during = pool.checkedout()

    await reader.end()
    (late,) = await reader.rows(accounts.workspace())

    assert late["id"] == tenant.account.workspace_id
    assert (during, pool.checkedout()) == (before + 1, before)
