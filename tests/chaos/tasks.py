"""What the API says in the end about every task of a workspace."""

import asyncio
import random
import time
from collections.abc import Awaitable, Callable
from dataclasses import dataclass
from typing import Any, TypeVar

from tests.chaos.service import NoAnswer, Service
from tests.chaos.subscribers import Event

T = TypeVar("T")
ANSWER_SECONDS = 20.0
PAUSE_SECONDS = 0.3

OPEN = """{ tasks(first: 1, filter: {statuses: [SCHEDULED, QUEUED, RUNNING, WAITING]}) { totalCount } }"""
TASKS = """query($after: String) { tasks(first: 20, after: $after) {
  nodes { id status metadata attemptCount
    events(first: 30) { nodes { seq kind } pageInfo { hasNextPage } }
    attempts(first: 10) { nodes { number status } pageInfo { hasNextPage } } }
  pageInfo { hasNextPage endCursor } } }"""


@dataclass(frozen=True, slots=True)
class TaskRecord:
    """`attempts` are (number, status), oldest first; `whole` where no list went on beyond its first page."""

    id: str
    key: str
    status: str
    attempt_count: int
    events: list[Event]
    attempts: list[tuple[int, str]]
    whole: bool

    @classmethod
    def from_node(cls, node: dict[str, Any]) -> "TaskRecord":
        events, attempts = node["events"], node["attempts"]
        return cls(
            id=node["id"],
            key=node["metadata"].get("key", ""),
            status=node["status"],
            attempt_count=node["attemptCount"],
            events=[Event(node["id"], event["seq"], event["kind"]) for event in events["nodes"]],
            attempts=[(attempt["number"], attempt["status"]) for attempt in attempts["nodes"]],
            whole=not (events["pageInfo"]["hasNextPage"] or attempts["pageInfo"]["hasNextPage"]),
        )


async def wait_until_none_is_open(service: Service, seconds: float) -> int:
    """How many tasks had not ended after `seconds`; usually 0, and sooner."""
    rng, deadline = random.Random(), time.monotonic() + seconds
    while True:
        answer = await _answered(lambda: service.ask(rng, OPEN))
        left: int = answer["tasks"]["totalCount"]
        if left == 0 or time.monotonic() > deadline:
            return left
        await asyncio.sleep(PAUSE_SECONDS)


async def read_tasks(service: Service) -> list[TaskRecord]:
    """All of the workspace, newest first."""
    rng, records, after = random.Random(), list[TaskRecord](), None
    while True:
        page = (await _answered(lambda cursor=after: service.ask(rng, TASKS, after=cursor)))["tasks"]  # type: ignore[misc]
        records += [TaskRecord.from_node(node) for node in page["nodes"]]
        if not page["pageInfo"]["hasNextPage"]:
            return records
        after = page["pageInfo"]["endCursor"]


async def _answered(ask: Callable[[], Awaitable[T]]) -> T:
    """Everything runs again, but a connection from before may still break. Raises NoAnswer after 20 s."""
    deadline = time.monotonic() + ANSWER_SECONDS
    while True:
        try:
            return await ask()
        except NoAnswer:
            if time.monotonic() > deadline:
                raise
        await asyncio.sleep(PAUSE_SECONDS)
