"""PostgreSQL, the only truth, dies and comes back."""

import asyncio

from tests.faults.partner import under
from tests.faults.site import Site

AWAY_SECONDS = 1.0


async def test_postgres_is_killed_under_load_and_everything_acknowledged_ends_once(site: Site) -> None:
    apis = site.cluster.apis
    load = site.load()
    await site.vendor.slow(20, seconds=3)
    running = await site.partner.create_many(20)
    await site.vendor.wait_for(running, attempt=1, outcome="open")

    async with under(load):
        await load.go_on(20)
        await site.cluster.kill_postgres()
        await asyncio.sleep(AWAY_SECONDS)
        await site.cluster.start_postgres()
        await load.go_on(40)

    await site.records.ended_well([*running, *load.acknowledged.values()])
    assert site.cluster.apis == apis
    assert {key: await site.partner.create(key) for key in load.acknowledged} == load.acknowledged
