"""What running tasks hold at the database: nothing while a vendor is being waited for."""

import asyncpg

from app.actors.runner import Runner
from app.fakes.faults import Fault, FaultKind
from tests.conftest import Servers
from tests.integration.conftest import Fakes
from tests.integration.engine.calls import open_call
from tests.integration.engine.desk import Desk

# A short statement's own transaction is over long before; a call of the fake below lasts for seconds.
HELD = """SELECT state, query FROM pg_stat_activity
    WHERE application_name = 'bizq' AND xact_start < clock_timestamp() - interval '300 ms'"""
WORKING = "SELECT id FROM tasks WHERE workspace_id = :id AND status <> 'SUCCEEDED'"


async def test_no_transaction_is_open_while_a_vendor_is_called(
    desk: Desk, worker: Runner, fakes: Fakes, servers: Servers
) -> None:
    fakes.faults.add(Fault("openai", FaultKind.SLOW, delay=0.05, times=5))
    await desk.accept(5)
    await open_call(fakes)
    connection = await asyncpg.connect(servers.postgres.superuser_url)
    looks = 0
    try:
        while await desk.rows(WORKING, id=desk.tenant.account.workspace_id):
            assert await connection.fetch(HELD) == []
            looks += 1
    finally:
        await connection.close()

    assert looks > 20
