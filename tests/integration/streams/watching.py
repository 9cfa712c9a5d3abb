"""taskEvents and taskOutput as a partner's client uses them."""

from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app import ids
from tests.integration.graphql_client import Gql, Socket, Stream

EVENT = "seq kind cursor gap data task { id status type attemptCount output finishedAt costMicros error { code } }"
TASK_EVENTS = f"subscription($id: ID!, $after: String) {{ taskEvents(taskId: $id, after: $after) {{ {EVENT} }} }}"
WORKSPACE_EVENTS = f"""subscription($filter: TaskFilter, $after: String) {{
  taskEvents(filter: $filter, after: $after) {{ {EVENT} }} }}"""
TASK_OUTPUT = """subscription($id: ID!, $from: Int! = 0) {
  taskOutput(taskId: $id, fromOffset: $from) { attempt offset text reset done } }"""
HISTORY = f"query($id: ID!) {{ task(id: $id) {{ events(first: 100) {{ nodes {{ {EVENT} }} }} }} }}"

Event = dict[str, Any]


def public(task_id: UUID) -> str:
    return ids.encode(ids.TASK, task_id)


async def watch(socket: Socket, task_id: UUID, after: str | None = None) -> Stream:
    return await socket.subscribe(TASK_EVENTS, id=public(task_id), after=after)


async def watch_all(socket: Socket, after: str | None = None, **wanted: Any) -> Stream:
    return await socket.subscribe(WORKSPACE_EVENTS, after=after, filter=wanted or None)


async def history(gql: Gql, task_id: UUID) -> list[Event]:
    """The task's events as a query gives them, with their cursors."""
    events: list[Event] = (await gql(HISTORY, id=public(task_id)))["task"]["events"]["nodes"]
    return events


def told(events: list[Event]) -> list[tuple[str, int, str]]:
    """What the events say happened: task, seq, kind."""
    return [(event["task"]["id"], event["seq"], event["kind"]) for event in events]


@dataclass
class Text:
    """Put together from chunks: `reset` drops everything, then each chunk stands where its offset says."""

    value: str = ""
    resets: int = 0
    done: bool = False
    attempt: int = 0

    def take(self, chunk: dict[str, Any]) -> None:
        assert not self.done
        if chunk["reset"]:
            self.value, self.resets = "", self.resets + 1
        assert chunk["offset"] == len(self.value)
        self.value += chunk["text"]
        self.done, self.attempt = chunk["done"], chunk["attempt"]

    async def read(self, stream: Stream) -> "Text":
        """Until the stream completes."""
        for chunk in await stream.rest():
            self.take(chunk)
        return self
