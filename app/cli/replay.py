"""Every task that a filter fits is retried once, however many there are, through the API."""

import asyncio
import shlex
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime
from enum import StrEnum
from typing import Any

from app.cli import documents
from app.cli.client import Client, Refused, Unreachable
from app.cli.live import PATIENCE_SECONDS, Patience
from app.errors import ErrorCode

PAGE = 40
LANES = 8


class Revivable(StrEnum):
    """The states that a task can be retried from; compared with the service's own by a test."""

    FAILED = "FAILED"
    CANCELED = "CANCELED"
    EXPIRED = "EXPIRED"


@dataclass(frozen=True, slots=True)
class Replay:
    """Tasks that ended after `since`: in any of the states, of any of the types, with any of the error codes.

    No types or codes given: of all. `limit` takes only so many, the newest.
    """

    since: datetime
    statuses: tuple[Revivable, ...] = (Revivable.FAILED,)
    types: tuple[str, ...] = ()
    errors: tuple[str, ...] = ()
    limit: int | None = None

    def filter(self) -> dict[str, Any]:
        """As a TaskFilter of the API."""
        wanted: dict[str, Any] = {"finishedAfter": self.since.isoformat(), "statuses": list(self.statuses)}
        if self.types:
            wanted["types"] = list(self.types)
        if self.errors:
            wanted["errorCodes"] = list(self.errors)
        return wanted

    def command(self) -> str:
        """The line that retries them; with the moment itself, so that a later run means the same tasks."""
        moment = self.since.isoformat().replace("+00:00", "Z")
        words = ["bizq", "task", "retry", "--failed-since", moment]
        for option, values in (("--status", self.statuses), ("--type", self.types), ("--error", self.errors)):
            for value in values:
                words += [option, value]
        if self.limit is not None:
            words += ["--limit", str(self.limit)]
        return shlex.join([*words, "--yes"])


@dataclass(slots=True)
class Outcome:
    """What became of `found` tasks. `gone` were not in a state to retry any more: somebody else was first.

    `failures` are messages by task id; `lost` is why the service could not be reached any more: of the
    `left` it is not known that they were retried.
    """

    found: int
    retried: int = 0
    gone: int = 0
    failures: dict[str, str] = field(default_factory=dict)
    lost: str | None = None

    @property
    def left(self) -> int:
        return self.found - self.retried - self.gone - len(self.failures)

    @property
    def complete(self) -> bool:
        return not self.failures and self.lost is None


async def find(client: Client, wanted: Replay, on_found: Callable[[int], None]) -> list[dict[str, Any]]:
    """Every task that fits, newest first, with id, type, status, version, error and finishedAt."""
    found: list[dict[str, Any]] = []
    after: str | None = None
    while wanted.limit is None or len(found) < wanted.limit:
        first = PAGE if wanted.limit is None else min(PAGE, wanted.limit - len(found))
        answer = await client.execute(documents.ENDED_TASKS, first=first, after=after, filter=wanted.filter())
        found += answer["tasks"]["nodes"]
        on_found(len(found))
        if not answer["tasks"]["pageInfo"]["hasNextPage"]:
            break
        after = answer["tasks"]["pageInfo"]["endCursor"]
    return found


async def retry_all(
    client: Client, tasks: list[dict[str, Any]], *, on_done: Callable[[], None], on_lost: Callable[[], None]
) -> Outcome:
    """Each once, `LANES` at a time. `on_done` hears of each; `on_lost` when the API is gone, which may come back
    within a minute."""
    outcome = Outcome(found=len(tasks))
    patience = Patience(PATIENCE_SECONDS, on_lost)
    # The list came from there: what is lost now was reached before.
    patience.answered()
    left = iter(tasks)
    async with asyncio.TaskGroup() as lanes:
        for _ in range(LANES):
            lanes.create_task(_lane(client, left, patience, outcome, on_done))
    return outcome


async def _lane(
    client: Client,
    left: Iterator[dict[str, Any]],
    patience: Patience,
    outcome: Outcome,
    on_done: Callable[[], None],
) -> None:
    for task in left:
        if outcome.lost is not None:
            return
        try:
            await _retry(client, task, patience, outcome)
        except Unreachable as error:
            outcome.lost = error.message
            return
        except Refused as error:
            outcome.failures[task["id"]] = error.message
        on_done()


async def _retry(client: Client, task: dict[str, Any], patience: Patience, outcome: Outcome) -> None:
    asked = False
    while True:
        try:
            # The answer to an earlier request may have been lost after it did its work. The task may since have failed
            # again, and must not be retried again.
            if asked and await _version(client, task["id"]) != task["version"]:
                outcome.retried += 1
                return
            asked = True
            payload = (await client.execute(documents.RETRY_TASK, id=task["id"]))["retryTask"]
        except Unreachable as error:
            await patience.pause(error)
            continue
        patience.answered()
        break
    if not payload["errors"]:
        outcome.retried += 1
    elif payload["errors"][0]["code"] == ErrorCode.INVALID_STATE:
        outcome.gone += 1
    else:
        outcome.failures[task["id"]] = payload["errors"][0]["message"]


async def _version(client: Client, task_id: str) -> int:
    version: int = (await client.execute(documents.TASK_VERSION, id=task_id))["task"]["version"]
    return version
