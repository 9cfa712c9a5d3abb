"""One of many subscriptions that share a socket which nothing breaks."""

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from typing import Any, Self

from tests.faults.records import Logged, Record
from tests.faults.waiting import PATIENCE_SECONDS
from tests.faults.watcher import WATCH
from tests.integration.graphql_client import Socket, Stream


class View:
    """`received` has, per task, what came after the opening event; a task of which nothing came is not in it."""

    def __init__(self, stream: Stream, task: str | None, opening: dict[str, Any]) -> None:
        assert opening["kind"] == "SNAPSHOT"
        self.received: dict[str, list[Logged]] = {}
        self._stream = stream
        self._task = task
        # What the opening event of the workspace shows is a task from before.
        self._seq = opening["seq"] if task is not None else 0

    @classmethod
    async def of_workspace(cls, socket: Socket) -> Self:
        """Of one without tasks."""
        stream = await socket.subscribe(WATCH)
        return cls(stream, None, await stream.next())

    @classmethod
    async def of_task(cls, socket: Socket, task: str) -> Self:
        stream = await socket.subscribe(WATCH, taskId=task)
        return cls(stream, task, await stream.next())

    async def read(self) -> None:
        """Until it is complete or cancelled."""
        while (message := await self._stream.message(PATIENCE_SECONDS))["type"] == "next":
            assert "errors" not in message["payload"], message
            event = message["payload"]["data"]["taskEvents"]
            assert event["kind"] != "SNAPSHOT", event
            task = event["task"]["id"]
            self.received.setdefault(task, []).append(Logged(task, event["seq"], event["kind"]))

    def expected(self, records: Sequence[Record]) -> dict[str, list[Logged]]:
        """What it has to have received when this is the whole log."""
        watched = [record for record in records if self._task in (None, record.id)]
        after = {record.id: [event for event in record.logged if event.seq > self._seq] for record in watched}
        return {task: events for task, events in after.items() if events}

    def lacks(self, records: Sequence[Record]) -> list[Logged]:
        expected = self.expected(records)
        return [event for task in expected for event in expected[task] if event not in self.received.get(task, ())]


@asynccontextmanager
async def reading(views: Sequence[View]) -> AsyncIterator[None]:
    """What goes wrong with one fails the test."""
    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(view.read()) for view in views]
        yield
        for task in tasks:
            task.cancel()
