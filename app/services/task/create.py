"""Accepts tasks in two statements: one reads what they are decided by, one holds credits and writes them.

Most tasks are plain: there are credits for them, no budget counts them, nobody has asked for them before. These are
accepted for all workspaces together (`create_plain_tasks`); the rest for one workspace at a time (`create_tasks`).
"""

from collections import defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self
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
_ACCEPT_PLAIN = "SELECT * FROM accept_plain_tasks($1, $2, $3)"
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
    """For each request what became of it, in order; where tasks were made, and how many of them are due.

    None stands for a request of which nothing has been done yet.
    """

    outcomes: Sequence[Outcome | AppError | None]
    workspaces: set[UUID]
    queued: int


@dataclass(frozen=True, slots=True)
class Planned:
    """What is going to be a task, where there are credits for it."""

    task_id: UUID
    plan: Plan


@dataclass(frozen=True, slots=True)
class PlannedRequest:
    """What there is to be done for a request; `items` are in the order of its drafts."""

    request: CreateRequest
    items: Sequence[Planned | AppError]
    budgeted: bool

    @classmethod
    def by(cls, planner: Planner, request: CreateRequest) -> Self:
        items = [_plan(planner, request.principal, draft) for draft in request.drafts]
        return cls(request, items, planner.budgeted)

    @property
    def tasks(self) -> Sequence[Planned]:
        return [item for item in self.items if isinstance(item, Planned)]

    @property
    def leaves_key_free(self) -> bool:
        """An error is told and not kept."""
        return not self.request.keep_errors and len(self.tasks) < len(self.items)

    @property
    def is_plain(self) -> bool:
        """Nothing but its credits and its key can refuse it."""
        return not self.budgeted and (self.request.key is None or (bool(self.tasks) and not self.leaves_key_free))

    def columns(self, now: datetime) -> Sequence[dict[str, Any]]:
        """Its tasks, as the database's functions take them."""
        return [_columns(item, self.request, now) for item in self.tasks]

    def keyed(self) -> dict[str, Any]:
        """The same of itself and what is kept for whoever repeats it, where it has a key."""
        return {
            "workspace": self.request.principal.workspace_id,
            "key": self.request.key,
            "fingerprint": fingerprint(self.request.drafts).hex(),
            "answer": None if self.leaves_key_free else [_as_json(item) for item in self.items],
            "whole": not self.request.keep_errors,
        }

    def outcome(self, rows: Mapping[UUID, Row], told: Mapping[str, Any]) -> Outcome:
        return Outcome([_result(item, rows, told) for item in self.items])


async def create_plain_tasks(hot: Hot, requests: Sequence[CreateRequest], terms: Terms) -> Accepted:
    """Those of the requests that are plain, in one transaction, which waits for no workspace.

    No two of a workspace have the same key.
    """
    now = clock.now()
    planned = await _planned(hot, requests, terms, now)
    plain = [each for each in planned if each.is_plain]
    items = [columns for each in plain for columns in each.columns(now)]
    keyed = [each.keyed() for each in plain if each.request.key is not None]
    rows = {row["id"]: row for row in await hot.call(_ACCEPT_PLAIN, now, items, keyed)} if items else {}
    outcomes = [
        each.outcome(rows, _NOTHING_TOLD)
        if each.is_plain and all(item.task_id in rows for item in each.tasks)
        else None
        for each in planned
    ]
    return Accepted(outcomes, {row["workspace_id"] for row in rows.values()}, _queued(rows))


async def create_tasks(hot: Hot, workspace_id: UUID, requests: Sequence[CreateRequest], terms: Terms) -> Accepted:
    """Neither a wrong request nor a wrong draft holds up the others.

    They are of this workspace, whose tasks their callers may create, and no two have the same key. Raises
    IdempotencyInProgress where a request with one of the keys is under way elsewhere.
    """
    now = clock.now()
    planned = await _planned(hot, requests, terms, now)
    items = [columns for each in planned for columns in each.columns(now)]
    keyed = [each.keyed() for each in planned if each.request.key is not None]
    told, rows = await _accept(hot, workspace_id, now, items, keyed) if items or keyed else (_NOTHING_TOLD, {})
    earlier = await _earlier(hot.of(Principal.system(workspace_id)), requests, told["earlier"])
    outcomes = [
        earlier[each.request.key] if each.request.key in earlier else each.outcome(rows, told) for each in planned
    ]
    return Accepted(outcomes, {workspace_id} if rows else set(), _queued(rows))


async def _planned(
    hot: Hot, requests: Sequence[CreateRequest], terms: Terms, now: datetime
) -> Sequence[PlannedRequest]:
    drafts = defaultdict[UUID, list[TaskDraft]](list)
    for request in requests:
        drafts[request.principal.workspace_id] += request.drafts
    planners = await Planner.begin(hot, terms, drafts, now)
    return [PlannedRequest.by(planners[request.principal.workspace_id], request) for request in requests]


def _plan(planner: Planner, caller: Principal, draft: TaskDraft) -> Planned | AppError:
    try:
        return Planned(ids.new_id(), planner.plan(draft, caller.api_key_id))
    except AppError as error:
        return error


def _queued(rows: Mapping[UUID, Row]) -> int:
    return sum(row["status"] == TaskStatus.QUEUED for row in rows.values())


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


def _as_json(item: Planned | AppError) -> dict[str, Any]:
    if isinstance(item, AppError):
        return {"code": item.code, "message": item.message, "path": item.path}
    return {"task": item.task_id}


def _columns(item: Planned, request: CreateRequest, now: datetime) -> dict[str, Any]:
    draft, plan, caller = item.plan.draft, item.plan, request.principal
    scheduled = draft.run_at is not None and draft.run_at > now
    columns = {
        "workspace": caller.workspace_id,
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
