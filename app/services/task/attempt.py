"""How an attempt ends. Each ending is one transaction, and happens only while the attempt is the present one."""

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, func, select, update

from app.models import Task, TaskAttempt, TaskEventKind, TaskStatus
from app.services.task import transition
from app.services.task.lifecycle import attempts_left, retry_delay
from app.unit_of_work import UnitOfWork

WORKER_LOST = "worker_lost"
# Waiting would help nobody; spread all the same, so that a task which kills workers takes fewer others with it again.
WORKER_LOST_SPREAD_SECONDS = 1.0
_TASK = Task.__table__  # type: ignore[attr-defined]
_ATTEMPT = TaskAttempt.__table__  # type: ignore[attr-defined]
_rng = random.SystemRandom()


@dataclass(frozen=True, slots=True)
class Cost:
    """What an attempt used, as the vendor counted it; `estimated` where it did not. Money in micro-credits."""

    input_tokens: int
    output_tokens: int
    cached_input_tokens: int
    micros: int
    estimated: bool


@dataclass(frozen=True, slots=True)
class Failure:
    """Why an attempt failed. `retry_after` is in seconds, as the vendor asked."""

    code: str
    message: str
    retryable: bool
    retry_after: float | None = None

    def as_json(self) -> dict[str, Any]:
        return {"code": self.code, "message": self.message, "retryable": self.retryable}


async def checkpoint(uow: UnitOfWork, task_id: UUID, number: int, text: str) -> None:
    """Keep what has been written so far; what was recorded at the attempt's end stays."""
    running = _ATTEMPT.c.status == TaskStatus.RUNNING
    await uow.session.execute(_where(task_id, number).where(running).values(output_text=text))


async def succeed(uow: UnitOfWork, task_id: UUID, number: int, *, output: Any, text: str, cost: Cost) -> bool:
    """False where the attempt was not the present one any more: then nothing changed."""
    task = await transition.apply(
        uow,
        task_id,
        TaskEventKind.SUCCEEDED,
        data={"attempt": number},
        values={
            "output": output,
            "error": None,
            "progress": 1.0,
            "cost_micros": _TASK.c.cost_micros + cost.micros,
            "finished_at": uow.now,
            "lease_until": None,
        },
        attempt=number,
    )
    if task is not None:
        await _close(uow, task_id, number, TaskStatus.SUCCEEDED, text=text, cost=cost)
    return task is not None


async def fail(
    uow: UnitOfWork, task_id: UUID, number: int, failure: Failure, *, text: str = "", cost: Cost | None = None
) -> bool:
    """Queue the task for another try where one is left and could help, else end it as FAILED.

    A task that somebody asked to cancel is neither tried again nor failed: it ends as CANCELED.
    """
    task = await _lock(uow, task_id, number)
    if task is None:
        return False
    if task["cancel_requested_at"] is not None:
        return await cancel(uow, task_id, number, cost=cost, text=text)
    left = attempts_left(attempt=number, attempts_before=task["attempts_before"], max_attempts=task["max_attempts"])
    spent: dict[str, Any] = {"cost_micros": _TASK.c.cost_micros + cost.micros} if cost else {}
    if failure.retryable and left:
        tries = number - task["attempts_before"]
        if failure.code == WORKER_LOST:
            delay = WORKER_LOST_SPREAD_SECONDS * _rng.random()
        else:
            delay = retry_delay(tries, retry_after=failure.retry_after, random=_rng.random)
        run_at = uow.now + timedelta(seconds=delay)
        data = {"attempt": number, "error": failure.as_json(), "nextAttemptAt": run_at.isoformat()}
        values = {**spent, "run_at": run_at, "lease_until": None, "error": failure.as_json()}
        after = await transition.apply(
            uow, task_id, TaskEventKind.RETRY_SCHEDULED, data=data, values=values, attempt=number
        )
    else:
        data = {"attempt": number, "error": failure.as_json()}
        values = {**spent, "finished_at": uow.now, "lease_until": None, "error": failure.as_json()}
        after = await transition.apply(uow, task_id, TaskEventKind.FAILED, data=data, values=values, attempt=number)
    if after is not None:
        await _close(uow, task_id, number, TaskStatus.FAILED, text=text, cost=cost, failure=failure)
    return after is not None


async def cancel(uow: UnitOfWork, task_id: UUID, number: int, *, cost: Cost | None, text: str = "") -> bool:
    values = {"finished_at": uow.now, "lease_until": None}
    if cost is not None:
        values["cost_micros"] = _TASK.c.cost_micros + cost.micros
    after = await transition.apply(
        uow,
        task_id,
        TaskEventKind.CANCELED,
        data={"attempt": number},
        values=values,
        attempt=number,
        # Not one that has been taken away from this worker and waits for another.
        sources=frozenset({TaskStatus.RUNNING}),
    )
    if after is not None:
        await _close(uow, task_id, number, TaskStatus.CANCELED, text=text, cost=cost)
    return after is not None


async def lose(uow: UnitOfWork, task_id: UUID, number: int) -> bool:
    """The worker went silent: its lease ran out. A task that was to be cancelled ends; others are tried again."""
    # By the database's clock: a renewed lease, even one renewed a moment ago, is a living worker.
    if await _lock(uow, task_id, number, _TASK.c.lease_until <= func.now()) is None:
        return False
    message = "The worker that ran this attempt stopped answering."
    return await fail(uow, task_id, number, Failure(WORKER_LOST, message, retryable=True))


async def hand_back(uow: UnitOfWork, task_id: UUID, number: int, *, text: str, cost: Cost) -> bool:
    """The worker is shutting down: somebody else may take the task at once, and this attempt does not count.

    What it used was used all the same. A task that was to be cancelled ends.
    """
    task = await _lock(uow, task_id, number)
    if task is None:
        return False
    if task["cancel_requested_at"] is not None:
        return await cancel(uow, task_id, number, cost=cost, text=text)
    after = await transition.apply(
        uow,
        task_id,
        TaskEventKind.RETRY_SCHEDULED,
        data={"attempt": number, "reason": "worker_shutdown"},
        values={
            "lease_until": None,
            "run_at": None,
            "attempts_before": _TASK.c.attempts_before + 1,
            "cost_micros": _TASK.c.cost_micros + cost.micros,
        },
        attempt=number,
    )
    if after is not None:
        await _close(uow, task_id, number, TaskStatus.CANCELED, text=text, cost=cost)
        uow.queue_tasks(1)
    return after is not None


async def _lock(uow: UnitOfWork, task_id: UUID, number: int, *conditions: ColumnElement[bool]) -> RowMapping | None:
    """The task's row, held until the transaction ends; None where this attempt is not the running one."""
    statement = (
        select(*_TASK.c)
        .where(_TASK.c.id == task_id, _TASK.c.attempt == number, _TASK.c.status == TaskStatus.RUNNING, *conditions)
        .with_for_update()
    )
    return (await uow.session.execute(statement)).mappings().one_or_none()


async def _close(
    uow: UnitOfWork,
    task_id: UUID,
    number: int,
    status: TaskStatus,
    *,
    text: str = "",
    cost: Cost | None = None,
    failure: Failure | None = None,
) -> None:
    values: dict[str, Any] = {"status": status, "finished_at": uow.now}
    if text:
        values["output_text"] = text
    if failure is not None:
        values["error"] = failure.as_json()
    if cost is not None:
        values |= {
            "input_tokens": cost.input_tokens,
            "output_tokens": cost.output_tokens,
            "cached_input_tokens": cost.cached_input_tokens,
            "cost_micros": cost.micros,
            "usage_estimated": cost.estimated,
        }
    await uow.session.execute(_where(task_id, number).values(values))


def _where(task_id: UUID, number: int) -> Any:
    return update(_ATTEMPT).where(_ATTEMPT.c.task_id == task_id, _ATTEMPT.c.number == number)
