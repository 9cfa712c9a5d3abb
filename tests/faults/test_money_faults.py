"""Credits while everything that counts them dies."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError
from sqlalchemy.ext.asyncio import AsyncEngine, create_async_engine

from app.db.engine import sqlalchemy_url
from app.models import LedgerKind
from app.services.billing import credits
from app.services.billing.verify import verify
from tests.faults.partner import task_input
from tests.faults.site import Site

FUNDED, WANTED = 10, 64
SAMPLE_SECONDS = 0.2
LONG = "The parcel was three days late."
QUOTE = "query($input: CreateTaskInput!) { quoteTask(input: $input) { ceilingMicros } }"
CREATE = """mutation($input: CreateTaskInput!, $key: String) { createTask(input: $input, idempotencyKey: $key) {
  task { id } errors { code ... on CreditsError { requiredMicros availableMicros } } } }"""


@asynccontextmanager
async def proved(engine: AsyncEngine, workspace_id: UUID) -> AsyncIterator[list[int]]:
    """The ledger is proved every 200 ms while PostgreSQL is there, and at the end; how many entries it had."""
    taken, done = list[int](), asyncio.Event()

    async def sample() -> None:
        last = False
        while not last:
            last = done.is_set()
            with suppress(SQLAlchemyError, OSError):
                report = await verify(engine, workspace_id, lambda *_: None)
                assert report is not None and report.breaks == [], report
                taken.append(report.entries)
            await asyncio.sleep(SAMPLE_SECONDS)

    async with asyncio.TaskGroup() as group:
        group.create_task(sample())
        yield taken
        done.set()


async def create(site: Site, number: int) -> dict[str, Any]:
    """Repeated with its key until it is answered."""
    partner = site.partner.fellow(number)
    while True:
        payload = (await partner.ask(CREATE, input=task_input(LONG), key=f"wanted-{number}"))["createTask"]
        if [error["code"] for error in payload["errors"]] != ["IDEMPOTENCY_IN_PROGRESS"]:
            return dict(payload)
        await asyncio.sleep(SAMPLE_SECONDS)


async def kill_everything(site: Site) -> None:
    """Worker, API and PostgreSQL, one after the other, each started again."""
    api, worker = site.cluster.apis[0], site.cluster.workers[0]
    api.kill()
    await asyncio.sleep(SAMPLE_SECONDS)
    await site.cluster.kill_postgres()
    await asyncio.sleep(SAMPLE_SECONDS)
    await site.cluster.start_postgres()
    worker.kill()
    await asyncio.gather(site.cluster.start_api(), site.cluster.start_worker())


async def test_credits_for_ten_accept_ten_and_charge_each_once_whatever_dies(site: Site) -> None:
    engine = create_async_engine(sqlalchemy_url(site.cluster.owner_url))
    ceiling = (await site.partner.ask(QUOTE, input=task_input(LONG)))["quoteTask"]["ceilingMicros"]
    before = await site.records.purse()
    await credits.post(engine, site.workspace_id, LedgerKind.ADJUSTMENT, FUNDED * ceiling - before[0], "test")
    # Nothing ends, and so gives credits back, before all have asked.
    await site.vendor.slow(WANTED, seconds=12)

    async with proved(engine, site.workspace_id) as entries, asyncio.TaskGroup() as group:
        creates = [group.create_task(create(site, number)) for number in range(WANTED)]
        await asyncio.sleep(SAMPLE_SECONDS)
        await kill_everything(site)
        answers = await asyncio.gather(*creates)
        await site.vendor.forget()
        accepted = [answer["task"]["id"] for answer in answers if answer["task"] is not None]
        await site.records.ended_well(accepted)

    refused = [error for answer in answers for error in answer["errors"]]
    assert len(accepted) == FUNDED
    assert [error["code"] for error in refused] == ["INSUFFICIENT_CREDITS"] * (WANTED - FUNDED)
    assert {error["availableMicros"] for error in refused} <= {ceiling * left for left in range(FUNDED)}
    # The grant, the adjustment, and of each task what was held, charged, let go and paid to the vendor.
    assert entries[-1] == 2 + 4 * FUNDED
    charged = await site.records.charged()
    assert await site.records.purse() == (FUNDED * ceiling - charged, 0)
    await engine.dispose()
