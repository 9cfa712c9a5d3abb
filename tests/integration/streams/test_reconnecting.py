"""A client that is cut off again and again, at random, and resumes: its merged log is the database's."""

import asyncio
import random

import pytest

from app.actors.work import work
from app.fakes.faults import Fault, FaultKind
from app.settings import Settings
from tests.integration.conftest import Fakes
from tests.integration.engine.desk import Desk
from tests.integration.graphql_client import connect
from tests.integration.streams.watching import Event, public, told, watch_all

TASKS = 30


class CutOff:
    """Watches the workspace over sockets that it drops without a goodbye after a few events each."""

    def __init__(self, api: str, key: str, chance: random.Random) -> None:
        self._api = api
        self._key = key
        self._chance = chance
        self.connections = 0
        self.cursor: str | None = None
        self.merged: list[Event] = []

    async def watch(self, count: int) -> None:
        """Until it has so many events."""
        while len(self.merged) < count:
            self.connections += 1
            await self._watch_for_a_while(count)

    async def _watch_for_a_while(self, count: int) -> None:
        patience = self._chance.randint(1, 12)
        async with connect(self._api, {"authorization": f"Bearer {self._key}"}) as socket:
            stream = await watch_all(socket, after=self.cursor)
            while patience and len(self.merged) < count:
                event = await stream.next()
                self.cursor, patience = event["cursor"], patience - 1
                if event["kind"] != "SNAPSHOT":
                    self.merged.append(event)
            socket.connection.transport.abort()


@pytest.mark.parametrize("seed", [1, 2, 3])
async def test_the_merged_log_is_that_of_the_database(
    api: str, desk: Desk, service_settings: Settings, fakes: Fakes, seed: int
) -> None:
    chance = random.Random(seed)
    fakes.faults.add(Fault("openai", FaultKind.SERVER_ERROR, times=5))
    client = CutOff(api, desk.tenant.api_key, chance)
    opened = asyncio.create_task(client.watch(1))
    while not client.cursor:  # noqa: ASYNC110 its opening event
        await asyncio.sleep(0.01)
    async with work(service_settings):
        for _ in range(TASKS // 5):
            await desk.accept(5)
            await asyncio.sleep(chance.random() * 0.2)
        await opened
        # Three events a task, and two more for each of the five that are tried again.
        await client.watch(TASKS * 3 + 5 * 2)

    log = await desk.rows(
        "SELECT task_id, seq, kind FROM task_events WHERE workspace_id = :id ORDER BY xid, task_id, seq",
        id=desk.tenant.account.workspace_id,
    )
    assert told(client.merged) == [(public(row["task_id"]), row["seq"], row["kind"]) for row in log]
    assert client.connections > 5
