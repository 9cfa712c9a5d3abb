"""Accepts tasks in two statements: one reads what they are decided by, one holds credits and writes them."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any
from uuid import UUID

from app import clock, ids
from app.db.availability import LOCK_NOT_AVAILABLE, sqlstate_of
from app.db.hot import Fetch, Hot, Row
from app.errors import AppError, ErrorCode
from app.models import TaskStatus
from app.principal import Principal
from app.services.billing import ledger
from app.services.task import queries
from app.services.task.draft import TaskDraft
from app.services.task.idempotency import IdempotencyInProgress, IdempotencyKeyMismatch, fingerprint
from app.services.task.plan import Plan, Planner, Terms
from app.services.task.wait import CREDITS_PATIENCE, credits_wait

MAX_BATCH = 500
_NOTHING_TOLD: Mapping[str, Any] = {"earlier": {}, "refused": {}}
_ACCEPT = "SELECT accepted.told, (accepted.task).* FROM accept_tasks($1, $2, $3, $4) AS accepted"


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

    results: list[Row | AppError]
    replayed: bool = False


@dataclass(frozen=True, slots=True)
class Accepted:
    """For each request what became of it, in order; how many tasks were made, and how many of them are due."""

    outcomes: list[Outcome | AppError]
    made: int
    queued: int


@dataclass(frozen=True, slots=True)
class Planned:
    """What is going to be a task, where there are credits for it."""

    task_id: UUID
    plan: Plan


async def create_tasks(hot: Hot, workspace_id: UUID, requests: Sequence[CreateRequest], terms: Terms) -> Accepted:
    """Neither a wrong request nor a wrong draft holds up the others.

    They are of this workspace, whose tasks their callers may create, and no two have the same key. Raises
    IdempotencyInProgress where a request with one of the keys is under way elsewhere.
    """
    now, fetch = clock.now(), hot.of(Principal.system(workspace_id))
    planner = await Planner.begin(fetch, terms, (draft for request in requests for draft in request.drafts), now)
    planned = [[_plan(planner, request.principal, draft) for draft in request.drafts] for request in requests]
    items = [
        _columns(item, request, now)
        for request, plans in zip(requests, planned, strict=True)
        for item in plans
        if isinstance(item, Planned)
    ]
    keyed = [
        _keyed(request, plans) for request, plans in zip(requests, planned, strict=True) if request.key is not None
    ]
    if items or keyed:
        told, rows = await _accept(hot, workspace_id, now, items, keyed)
    else:
        told, rows = _NOTHING_TOLD, {}
    earlier = await _earlier(fetch, requests, told["earlier"])
    outcomes = [
        earlier[request.key] if request.key in earlier else Outcome([_result(item, rows, told) for item in plans])
        for request, plans in zip(requests, planned, strict=True)
    ]
    queued = sum(row["status"] == TaskStatus.QUEUED for row in rows.values())
    return Accepted(outcomes, len(rows), queued)


def _plan(planner: Planner, caller: Principal, draft: TaskDraft) -> Planned | AppError:
    try:
        return Planned(ids.new_id(), planner.plan(draft, caller.api_key_id))
    except AppError as error:
        return error


async def _accept(
    hot: Hot, workspace_id: UUID, now: datetime, items: list[dict[str, Any]], keyed: list[dict[str, Any]]
) -> tuple[Mapping[str, Any], dict[UUID, Row]]:
    """What there is to tell, and the rows that were made. Raises IdempotencyInProgress."""
    try:
        found = await hot.call(_ACCEPT, workspace_id, now, items, keyed)
    except Exception as error:
        if sqlstate_of(error) != LOCK_NOT_AVAILABLE or not keyed:
            raise
        raise IdempotencyInProgress from None
    if found and found[0]["told"] is not None:
        told, *made = found
        return told["told"], {row["id"]: row for row in made}
    return _NOTHING_TOLD, {row["id"]: row for row in found}


def _result(item: Planned | AppError, rows: Mapping[UUID, Row], told: Mapping[str, Any]) -> Row | AppError:
    if isinstance(item, AppError):
        return item
    refusal = told["refused"].get(str(item.task_id))
    return rows[item.task_id] if refusal is None else ledger.refusal_of(refusal)


async def _earlier(
    fetch: Fetch, requests: Sequence[CreateRequest], told: Mapping[str, Any]
) -> dict[str | None, Outcome | AppError]:
    """By key, what each repeated request was answered, with its tasks as they are now."""
    answers = dict[str, list[dict[str, Any]]]()
    earlier = dict[str | None, Outcome | AppError]()
    for request in requests:
        if request.key is not None and request.key in told:
            stored = told[request.key]
            if stored["fingerprint"] == fingerprint(request.drafts).hex():
                answers[request.key] = stored["answer"]["results"]
            else:
                earlier[request.key] = IdempotencyKeyMismatch()
    wanted = {UUID(item["task"]) for items in answers.values() for item in items if "task" in item}
    rows = {row["id"]: row for row in await fetch(queries.BY_IDS, list(wanted))} if wanted else {}
    for key, items in answers.items():
        earlier[key] = Outcome([_again(item, rows) for item in items], replayed=True)
    return earlier


def _again(item: Mapping[str, Any], rows: Mapping[UUID, Row]) -> Row | AppError:
    if "task" in item:
        return rows[UUID(item["task"])]
    if "refusal" in item:
        return ledger.refusal_of(item)
    return Replayed(ErrorCode(item["code"]), item["message"], tuple(item["path"]))


def _keyed(request: CreateRequest, plans: Sequence[Planned | AppError]) -> dict[str, Any]:
    """A request with a key, and what is kept for whoever repeats it, as accept_tasks takes it."""
    wrong = not request.keep_errors and any(isinstance(item, AppError) for item in plans)
    return {
        "key": request.key,
        "fingerprint": fingerprint(request.drafts).hex(),
        "answer": None if wrong else [_as_json(item) for item in plans],
        "whole": not request.keep_errors,
    }


def _as_json(item: Planned | AppError) -> dict[str, Any]:
    if isinstance(item, AppError):
        return {"code": item.code, "message": item.message, "path": item.path}
    return {"task": item.task_id}


def _columns(item: Planned, request: CreateRequest, now: datetime) -> dict[str, Any]:
    """A task as accept_tasks takes it."""
    draft, plan, caller = item.plan.draft, item.plan, request.principal
    scheduled = draft.run_at is not None and draft.run_at > now
    columns = {
        "key": request.key,
        "ceiling": plan.ceiling_micros,
        "template": plan.template_id,
        "waits": draft.wait_for_credits,
        "id": item.task_id,
        "type": draft.type,
        "status": TaskStatus.SCHEDULED if scheduled else TaskStatus.QUEUED,
        "input": draft.input,
        "template_version_id": plan.version_id,
        "worker_id": draft.worker_id,
        "created_by": caller.user_id,
        "api_key_id": caller.api_key_id,
        "complexity": draft.complexity,
        "cost_sensitive": draft.cost_sensitive,
        "priority": draft.priority,
        "routing": plan.decision.as_json() if plan.decision is not None else None,
        "max_cost_micros": draft.max_cost_micros,
        "max_attempts": draft.max_attempts,
        "run_at": draft.run_at if scheduled else None,
        "expires_at": draft.expires_at,
        "metadata": draft.metadata,
        "tags": draft.tags,
    }
    if draft.wait_for_credits:
        columns |= {"wait": credits_wait(), "wait_until": draft.expires_at or now + CREDITS_PATIENCE}
    return columns
