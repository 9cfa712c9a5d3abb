"""What the parent asks of a load process, and what it gets back. Both cross a pipe."""

import asyncio
import json
import multiprocessing
import signal
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from typing import Any

from tests.bench.meter import Groups, Used

KEPT_FAILURES = 20
CREATE = """mutation($input: CreateTaskInput!) {
  createTask(input: $input) { task { id status createdAt } errors { code message } } }"""
_TEXT = (
    "Order {number}: the storm closed the port for three days. Ships waited outside, and the customer asks when the "
    "goods will arrive. Please write it down for the team."
)


@dataclass(frozen=True, slots=True)
class Service:
    """Where it listens, and which processes it is."""

    ports: Sequence[int]
    groups: Groups


@dataclass(slots=True)
class Outcome:
    """`latencies` are in milliseconds; `created` are (tenant, public id of the task); `used` is for all of `count`.

    `per_second` is None where the rate was given.
    """

    count: int
    seconds: float
    per_second: float | None
    used: Used
    latencies: list[float] = field(default_factory=list)
    failures: list[str] = field(default_factory=list)
    created: list[tuple[int, str]] = field(default_factory=list)
    extra: dict[str, float] = field(default_factory=dict)


class Failures:
    """The first of those that differ, each with how often it came, and the number of the rest."""

    def __init__(self) -> None:
        self._kept: Counter[str] = Counter()
        self._others = 0

    def add(self, reason: str | None) -> None:
        """None is no failure."""
        if reason is None:
            return
        if reason in self._kept or len(self._kept) < KEPT_FAILURES:
            self._kept[reason] += 1
        else:
            self._others += 1

    def told(self) -> list[str]:
        kept = [f"{reason} ({times} times)" if times > 1 else reason for reason, times in self._kept.items()]
        return [*kept, f"and {self._others} more"] if self._others else kept


def task_input(number: int, worker_id: str) -> dict[str, Any]:
    return {"type": "text.summarize", "input": {"text": _TEXT.format(number=number)}, "workerId": worker_id}


def created_id(body: bytes) -> str:
    """Of an answer to CREATE. Raises ValueError with what is wrong in it."""
    answer = json.loads(body)
    payload: Mapping[str, Any] = (answer.get("data") or {}).get("createTask") or {}
    if "errors" in answer or payload.get("errors") or not payload.get("task"):
        raise ValueError(body[:300].decode())
    if payload["task"]["status"] not in ("QUEUED", "SCHEDULED"):
        raise ValueError(f"{payload['task']['id']} is {payload['task']['status']}")
    return str(payload["task"]["id"])


async def in_a_process(job: Callable[[], Outcome]) -> Outcome:
    """Runs it where nothing else runs. Raises what it raises, and EOFError where the process is killed."""
    # Forking would take the event loop along.
    context = multiprocessing.get_context("spawn")
    receiver, sender = context.Pipe(duplex=False)
    process = context.Process(target=_run, args=(job, sender), daemon=True)
    process.start()
    sender.close()
    try:
        outcome = await asyncio.to_thread(receiver.recv)
    finally:
        process.kill()
        process.join()
    if isinstance(outcome, Exception):
        raise outcome
    assert isinstance(outcome, Outcome)
    return outcome


def _run(job: Callable[[], Outcome], sender: Connection) -> None:
    # A Ctrl-C in the terminal is for the parent, which ends us.
    signal.signal(signal.SIGINT, signal.SIG_IGN)
    try:
        sender.send(job())
    except Exception as error:
        sender.send(error)
        raise
