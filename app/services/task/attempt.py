"""How an attempt ends, and how another follows it. An attempt is one call of one model.

Each of these is one transaction, and happens only while the attempt is the present one.
"""

import random
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, func, insert, select, update

from app import clock
from app.db.hot import Hot
from app.models import Task, TaskAttempt, TaskEventKind, TaskStatus
from app.providers.errors import NOT_CALLED
from app.services.task import transition
from app.services.task.ending import end
from app.services.task.lifecycle import attempts_left, retry_delay
from app.services.task.queries import Columns
from app.unit_of_work import UnitOfWork

WORKER_LOST = "worker_lost"
# So long after its first attempt a task waits for models that are not asked at present; then that counts as a try.
PATIENCE = timedelta(hours=1)
# Waiting would help nobody; spread all the same, so that a task which kills workers takes fewer others with it again.
WORKER_LOST_SPREAD_SECONDS = 1.0
_SUCCEED = "SELECT succeed_task($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15) AS succeeded"
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


async def succeed(hot: Hot, task: Columns, *, output: Any, text: str, cost: Cost) -> bool:
    """`task` is the running attempt's row. False where it was not the present one any more: then nothing changed.

    The workspace pays what the attempts cost, and never more than was held.
    """
    spent = task["spent_micros"] + cost.micros
    (row,) = await hot.call(
        _SUCCEED,
        task["workspace_id"],
        task["id"],
        task["attempt"],
        clock.now(),
        output,
        text,
        cost.input_tokens,
        cost.output_tokens,
        cost.cached_input_tokens,
        cost.micros,
        cost.estimated,
        task["holds"],
        task["reserved_micros"],
        min(task["reserved_micros"], spent),
        spent,
    )
    return bool(row["succeeded"])


async def move_on(
    uow: UnitOfWork, task: Columns, failure: Failure, *, text: str, cost: Cost, routing: dict[str, Any]
) -> RowMapping | None:
    """End this attempt as failed and begin the next at once, in the same hands: by another model, or to mend an answer.

    `routing` is what the task's decision is from now on. The next attempt is not counted as a try. None where this one
    was not the present one any more.
    """
    number = task["attempt"]
    data = {
        "attempt": number + 1,
        "error": failure.as_json(),
        "provider": routing["provider"],
        "model": routing["model"],
    }
    values = {
        "attempt": _TASK.c.attempt + 1,
        "attempts_before": _TASK.c.attempts_before + 1,
        "spent_micros": _TASK.c.spent_micros + cost.micros,
        "routing": routing,
    }
    after = await transition.apply(uow, task["id"], TaskEventKind.PROGRESS, data=data, values=values, attempt=number)
    if after is not None:
        await _close(uow, task["id"], number, TaskStatus.FAILED, text=text, cost=cost, failure=failure)
        await uow.session.execute(
            insert(_ATTEMPT).values(
                task_id=task["id"],
                number=number + 1,
                workspace_id=task["workspace_id"],
                worker_id=task["worker_id"],
                provider=routing["provider"],
                model=routing["model"],
                status=TaskStatus.RUNNING,
                started_at=uow.now,
            )
        )
    return after


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
        return await _cancel(uow, task, cost=cost, text=text)
    left = attempts_left(attempt=number, attempts_before=task["attempts_before"], max_attempts=task["max_attempts"])
    spent = cost.micros if cost else 0
    data: dict[str, Any] = {"attempt": number, "error": failure.as_json()}
    values: dict[str, Any] = {"error": failure.as_json()}
    if failure.code == WORKER_LOST:
        values["attempts_lost"] = _TASK.c.attempts_lost + 1
    if failure.code in NOT_CALLED and uow.now - task["started_at"] < PATIENCE:
        values["attempts_before"] = _TASK.c.attempts_before + 1
        left = True
    if failure.retryable and left:
        run_at = uow.now + timedelta(seconds=_pause(failure, number - task["attempts_before"]))
        after = await transition.apply(
            uow,
            task_id,
            TaskEventKind.RETRY_SCHEDULED,
            data={**data, "nextAttemptAt": run_at.isoformat()},
            values={
                **values,
                "run_at": run_at,
                "lease_until": None,
                "spent_micros": _TASK.c.spent_micros + spent,
            },
            attempt=number,
        )
    else:
        after = await end(uow, task, TaskEventKind.FAILED, data=data, values=values, spent=spent)
    if after is not None:
        await _close(uow, task_id, number, TaskStatus.FAILED, text=text, cost=cost, failure=failure)
    return after is not None


def _pause(failure: Failure, tries: int) -> float:
    if failure.code == WORKER_LOST:
        return WORKER_LOST_SPREAD_SECONDS * _rng.random()
    return retry_delay(tries, retry_after=failure.retry_after, random=_rng.random)


async def cancel(uow: UnitOfWork, task_id: UUID, number: int, *, cost: Cost | None, text: str = "") -> bool:
    """Its tokens are paid: somebody asked for them, and then for no more."""
    task = await _lock(uow, task_id, number)
    return task is not None and await _cancel(uow, task, cost=cost, text=text)


async def _cancel(uow: UnitOfWork, task: Columns, *, cost: Cost | None, text: str) -> bool:
    number = task["attempt"]
    after = await end(
        uow,
        task,
        TaskEventKind.CANCELED,
        data={"attempt": number},
        spent=cost.micros if cost else 0,
        # Not one that has been taken away from this worker and waits for another.
        sources=frozenset({TaskStatus.RUNNING}),
    )
    if after is not None:
        await _close(uow, task["id"], number, TaskStatus.CANCELED, text=text, cost=cost)
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
        return await _cancel(uow, task, cost=cost, text=text)
    after = await transition.apply(
        uow,
        task_id,
        TaskEventKind.RETRY_SCHEDULED,
        data={"attempt": number, "reason": "worker_shutdown"},
        values={
            "lease_until": None,
            "run_at": None,
            "attempts_before": _TASK.c.attempts_before + 1,
            "spent_micros": _TASK.c.spent_micros + cost.micros,
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
