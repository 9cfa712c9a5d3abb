"""Accepts tasks: checks them, decides who does them, writes row and first event."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import Row, RowMapping, insert, literal, select
from sqlalchemy.dialects.postgresql import JSONB

from app import ids
from app.errors import AppError, ErrorCode, InvalidInput
from app.models import Task, TaskEvent, TaskEventKind, TaskStatus, WorkerKind
from app.principal import Permission
from app.services.routing.decide import RoutingRequest, decide
from app.services.task import idempotency, queries
from app.services.task.draft import TaskDraft, check
from app.services.template import queries as templates
from app.services.template.schema_check import check_input
from app.services.worker import queries as workers
from app.unit_of_work import UnitOfWork

MAX_BATCH = 500
_TASK = Task.__table__  # type: ignore[attr-defined]
_EVENT = TaskEvent.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Intake:
    """What this installation can take: the configured providers' default models, and the size of an input."""

    models: Mapping[str, str]
    max_input_bytes: int


class Replayed(AppError):
    """The error that an earlier request with the same key was answered with."""

    def __init__(self, code: ErrorCode, message: str, path: tuple[str, ...]) -> None:
        self.code = code
        super().__init__(message, path)


@dataclass(frozen=True, slots=True)
class Outcome:
    """For each draft its task or its error, in order; `replayed` where an earlier request did it."""

    results: list[RowMapping | AppError]
    replayed: bool = False


async def create_once(uow: UnitOfWork, drafts: Sequence[TaskDraft], intake: Intake, key: str | None) -> Outcome:
    """As `create_tasks`, and with a key only the first time: later the first answer is given again."""
    if key is None:
        return Outcome(await create_tasks(uow, drafts, intake))
    uow.principal.require(Permission.TASK_CREATE)
    answer = await idempotency.begin(uow, key, idempotency.fingerprint(drafts))
    if answer is not None:
        return Outcome(await _replay(uow, answer), replayed=True)
    results = await create_tasks(uow, drafts, intake)
    await idempotency.record(uow, key, {"results": [_as_json(item) for item in results]})
    return Outcome(results)


async def create_tasks(uow: UnitOfWork, drafts: Sequence[TaskDraft], intake: Intake) -> list[RowMapping | AppError]:
    """For each draft its task or its own error, in order: a wrong one does not hold up the others."""
    uow.principal.require(Permission.TASK_CREATE)
    prepared: list[dict[str, Any] | AppError] = []
    for draft in drafts:
        try:
            prepared.append(await _prepare(uow, draft, intake))
        except AppError as error:
            prepared.append(error)
    rows = await _write(uow, [values for values in prepared if isinstance(values, dict)])
    return [item if isinstance(item, AppError) else rows[item["id"]] for item in prepared]


async def _replay(uow: UnitOfWork, answer: dict[str, Any]) -> list[RowMapping | AppError]:
    wanted = {UUID(item["task"]) for item in answer["results"] if "task" in item}
    rows = {row["id"]: row for row in (await uow.session.execute(queries.by_ids(wanted))).mappings()}
    return [
        rows[UUID(item["task"])]
        if "task" in item
        else Replayed(ErrorCode(item["code"]), item["message"], tuple(item["path"]))
        for item in answer["results"]
    ]


def _as_json(result: RowMapping | AppError) -> dict[str, Any]:
    if isinstance(result, AppError):
        return {"code": result.code, "message": result.message, "path": result.path}
    return {"task": str(result["id"])}


async def _prepare(uow: UnitOfWork, draft: TaskDraft, intake: Intake) -> dict[str, Any]:
    check(draft, now=uow.now, max_input_bytes=intake.max_input_bytes)
    version = await templates.version_for(uow.session, template_id=draft.template_id, slug=draft.type)
    if version is not None and version.input_schema is not None:
        check_input(version.input_schema, draft.input)
    worker = await workers.get(uow.session, draft.worker_id) if draft.worker_id else None
    if worker is not None and not worker.enabled:
        raise InvalidInput("This worker is disabled.", ("workerId",))
    scheduled = draft.run_at is not None and draft.run_at > uow.now
    return {
        "id": ids.new_id(),
        "workspace_id": uow.principal.workspace_id,
        "type": draft.type,
        "status": TaskStatus.SCHEDULED if scheduled else TaskStatus.QUEUED,
        "input": draft.input,
        "template_version_id": version.id if version else None,
        "worker_id": draft.worker_id,
        "created_by": uow.principal.user_id,
        "complexity": draft.complexity,
        "cost_sensitive": draft.cost_sensitive,
        "priority": draft.priority,
        "routing": _routing(draft, intake, worker),
        "max_cost_micros": draft.max_cost_micros,
        "max_attempts": draft.max_attempts,
        "run_at": draft.run_at if scheduled else None,
        "expires_at": draft.expires_at,
        "metadata": draft.metadata,
        "tags": list(draft.tags),
        "event_seq": 1,
        "created_at": uow.now,
    }


def _routing(draft: TaskDraft, intake: Intake, worker: Row[Any] | None) -> dict[str, Any] | None:
    """None for a person's or another system's work: no model does it, so no worker process claims it."""
    if worker is not None and worker.kind != WorkerKind.AI:
        return None
    decision = decide(
        RoutingRequest(
            complexity=draft.complexity,
            cost_sensitive=draft.cost_sensitive,
            models=intake.models,
            worker_provider=worker.provider if worker is not None else None,
            worker_model=worker.model if worker is not None else None,
        )
    )
    return decision.as_json()


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
