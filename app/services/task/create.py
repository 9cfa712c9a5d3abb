"""Accepts tasks: plans them, holds credits for them, writes row and first event."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import RowMapping, insert, literal, select
from sqlalchemy.dialects.postgresql import JSONB

from app import ids
from app.errors import AppError, ErrorCode
from app.models import Task, TaskEvent, TaskEventKind, TaskStatus
from app.principal import Principal
from app.services.billing import ledger
from app.services.billing.ledger import Hold, InsufficientCredits
from app.services.task import idempotency, queries
from app.services.task.draft import TaskDraft
from app.services.task.idempotency import fingerprint
from app.services.task.plan import Plan, Planner, Terms
from app.services.task.wait import CREDITS_PATIENCE, credits_wait
from app.unit_of_work import UnitOfWork

MAX_BATCH = 500
_TASK = Task.__table__  # type: ignore[attr-defined]
_EVENT = TaskEvent.__table__  # type: ignore[attr-defined]


class Replayed(AppError):
    """The error that an earlier request with the same key was answered with."""

    def __init__(self, code: ErrorCode, message: str, path: tuple[str, ...]) -> None:
        self.code = code
        super().__init__(message, path)


@dataclass(frozen=True, slots=True)
class CreateRequest:
    """What a caller wants to have accepted at once. `key` says that it is done only the first time.

    With `keep_errors` a repetition gets the errors again; without it, a draft that is wrong leaves the key free.
    """

    principal: Principal
    drafts: Sequence[TaskDraft]
    key: str | None = None
    keep_errors: bool = True


@dataclass(frozen=True, slots=True)
class Outcome:
    """For each draft its task or its error, in order; `replayed` where an earlier request did it."""

    results: list[RowMapping | AppError]
    replayed: bool = False


async def create_tasks(uow: UnitOfWork, requests: Sequence[CreateRequest], terms: Terms) -> list[Outcome | AppError]:
    """For each request what became of it, in order: neither a wrong one nor a wrong draft holds up the others.

    They are of one workspace, whose tasks their callers may create, and no two have the same key. Raises
    IdempotencyInProgress where a request with one of the keys is under way elsewhere.
    """
    prints = {request.key: fingerprint(request.drafts) for request in requests if request.key is not None}
    earlier = await idempotency.begin(uow, prints)
    replayed = await _replay(uow, earlier)
    created = iter(await _create_new(uow, [request for request in requests if request.key not in replayed], terms))
    return [replayed[request.key] if request.key in replayed else next(created) for request in requests]


class Accepted(NamedTuple):
    """What is going to be a task, where there are credits for it."""

    task_id: UUID
    caller: Principal
    plan: Plan


async def _create_new(uow: UnitOfWork, requests: Sequence[CreateRequest], terms: Terms) -> list[Outcome]:
    planner = await Planner.begin(uow, terms)
    planned = [[await _plan(planner, request.principal, draft) for draft in request.drafts] for request in requests]
    refusals = await _reserve(uow, [item for items in planned for item in items if isinstance(item, Accepted)])
    decided = [[_result(item, refusals) for item in items] for items in planned]
    columns = [_columns(uow, *item) for items in decided for item in items if not isinstance(item, AppError)]
    rows = await _write(uow, columns)
    outcomes = [
        Outcome([item if isinstance(item, AppError) else rows[item[0].task_id] for item in items]) for items in decided
    ]
    await _keep(uow, requests, outcomes)
    return outcomes


async def _plan(planner: Planner, caller: Principal, draft: TaskDraft) -> Accepted | AppError:
    try:
        return Accepted(ids.new_id(), caller, await planner.plan(draft, caller.api_key_id))
    except AppError as error:
        return error


async def _reserve(uow: UnitOfWork, accepted: Sequence[Accepted]) -> dict[UUID, AppError]:
    """Why nothing is held for a task, of those for which nothing is."""
    holds = [hold_of(item.task_id, item.caller, item.plan) for item in accepted]
    refusals = await ledger.reserve(uow, holds)
    return {hold.task_id: refusal for hold, refusal in zip(holds, refusals, strict=True) if refusal is not None}


def hold_of(task_id: UUID, caller: Principal, plan: Plan) -> Hold:
    """What is held for a new task."""
    return Hold(
        task_id,
        1,
        plan.ceiling_micros,
        worker_id=plan.draft.worker_id,
        template_id=plan.template_id,
        api_key_id=caller.api_key_id,
    )


def _result(item: Accepted | AppError, refusals: Mapping[UUID, AppError]) -> tuple[Accepted, bool] | AppError:
    """With whether credits are held for it: where there are none, it waits for them if its draft says so."""
    if isinstance(item, AppError):
        return item
    refusal = refusals.get(item.task_id)
    if refusal is None:
        return item, True
    return (item, False) if isinstance(refusal, InsufficientCredits) and item.plan.draft.wait_for_credits else refusal


async def _keep(uow: UnitOfWork, requests: Sequence[CreateRequest], outcomes: Sequence[Outcome]) -> None:
    """The answers to requests with a key, for whoever repeats them."""
    answers, wrong = dict[str, dict[str, Any]](), list[str]()
    for request, outcome in zip(requests, outcomes, strict=True):
        if request.key is None:
            continue
        if request.keep_errors or not any(isinstance(item, AppError) for item in outcome.results):
            answers[request.key] = {"results": [_as_json(item) for item in outcome.results]}
        else:
            wrong.append(request.key)
    await idempotency.record(uow, answers)
    await idempotency.release(uow, wrong)


async def _replay(
    uow: UnitOfWork, earlier: Mapping[str, dict[str, Any] | AppError]
) -> dict[str | None, Outcome | AppError]:
    """By key, what each request was answered, with its tasks as they are now."""
    replayed = dict[str | None, Outcome | AppError]()
    answers = {key: answer["results"] for key, answer in earlier.items() if not isinstance(answer, AppError)}
    wanted = {UUID(item["task"]) for items in answers.values() for item in items if "task" in item}
    found = (await uow.session.execute(queries.by_ids(wanted))).mappings() if wanted else ()
    rows = {row["id"]: row for row in found}
    for key, answer in earlier.items():
        if isinstance(answer, AppError):
            replayed[key] = answer
        else:
            replayed[key] = Outcome([_again(item, rows) for item in answers[key]], replayed=True)
    return replayed


def _again(item: Mapping[str, Any], rows: Mapping[UUID, RowMapping]) -> RowMapping | AppError:
    if "task" in item:
        return rows[UUID(item["task"])]
    return Replayed(ErrorCode(item["code"]), item["message"], tuple(item["path"]))


def _as_json(result: RowMapping | AppError) -> dict[str, Any]:
    if isinstance(result, AppError):
        return {"code": result.code, "message": result.message, "path": result.path}
    return {"task": str(result["id"])}


def _columns(uow: UnitOfWork, accepted: Accepted, funded: bool) -> dict[str, Any]:
    draft, plan = accepted.plan.draft, accepted.plan
    scheduled = draft.run_at is not None and draft.run_at > uow.now
    return {
        "id": accepted.task_id,
        "workspace_id": uow.principal.workspace_id,
        "type": draft.type,
        "status": (TaskStatus.SCHEDULED if scheduled else TaskStatus.QUEUED) if funded else TaskStatus.WAITING,
        "input": draft.input,
        "template_version_id": plan.version_id,
        "worker_id": draft.worker_id,
        "created_by": accepted.caller.user_id,
        "api_key_id": accepted.caller.api_key_id,
        "complexity": draft.complexity,
        "cost_sensitive": draft.cost_sensitive,
        "priority": draft.priority,
        "routing": plan.decision.as_json() if plan.decision is not None else None,
        "max_cost_micros": draft.max_cost_micros,
        "reserved_micros": plan.ceiling_micros if funded else 0,
        "holds": 1 if funded else 0,
        "max_attempts": draft.max_attempts,
        "run_at": draft.run_at if scheduled else None,
        "expires_at": draft.expires_at,
        "wait": None if funded else credits_wait(),
        "wait_until": None if funded else draft.expires_at or uow.now + CREDITS_PATIENCE,
        "metadata": draft.metadata,
        "tags": list(draft.tags),
        "event_seq": 1,
        "created_at": uow.now,
    }


async def _write(uow: UnitOfWork, tasks: list[dict[str, Any]]) -> dict[UUID, RowMapping]:
    if not tasks:
        return {}
    result = await uow.session.execute(insert(_TASK).returning(*_TASK.c), tasks)
    rows = {row["id"]: row for row in result.mappings()}
    first_events = select(
        _TASK.c.id,
        literal(1),
        _TASK.c.workspace_id,
        _TASK.c.event_xid,
        literal(TaskEventKind.CREATED.value),
        _TASK.c.status,
        literal(0),
        literal({}, JSONB),
        _TASK.c.created_at,
    ).where(_TASK.c.workspace_id == uow.principal.workspace_id, _TASK.c.id.in_(rows))
    columns = ["task_id", "seq", "workspace_id", "xid", "kind", "status", "attempt", "data", "at"]
    await uow.session.execute(insert(_EVENT).from_select(columns, first_events))
    uow.log_events()
    uow.queue_tasks(sum(row["status"] == TaskStatus.QUEUED for row in rows.values()))
    return rows
