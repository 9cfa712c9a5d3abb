"""Credits for tasks that exist already: for those that are revived, and for those that waited for a top-up."""

from collections.abc import Sequence
from typing import Any
from uuid import UUID

from sqlalchemy import BigInteger, Row, RowMapping, Select, insert, literal, null, select, text, tuple_, update
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import AppError
from app.models import Task, TaskEvent, TaskEventKind, TaskStatus, TaskWaitReason, TemplateVersion, Workspace
from app.principal import Principal
from app.services.billing import ledger
from app.services.billing.ledger import Hold
from app.services.routing.decide import ceiling_of
from app.services.task.lifecycle import TRANSITIONS
from app.services.task.transition import next_xid
from app.unit_of_work import UnitOfWork, UnitOfWorkFactory

# Each turn is a transaction of its own workspace; the rest follow in the next round.
MOST_WORKSPACES = 10_000
WORKSPACES_PER_ROUND = 50
TASKS_PER_TURN = 100
# How many turns' worth of tasks are looked at, where budgets refuse all that come first.
PAGES_PER_TURN = 10
_FUNDED = text("SELECT funded_workspaces(:most)")
_TASK = Task.__table__  # type: ignore[attr-defined]
_EVENT = TaskEvent.__table__  # type: ignore[attr-defined]
_VERSION = TemplateVersion.__table__  # type: ignore[attr-defined]
_WORKSPACE = Workspace.__table__  # type: ignore[attr-defined]
_ceiling = _TASK.c.routing["ceilingMicros"].astext.cast(BigInteger)
_BEFORE_ALL = (0, UUID(int=0))


async def hold(uow: UnitOfWork, task: RowMapping, micros: int) -> None:
    """For a task whose row says so already. Raises InsufficientCredits or BudgetExceeded."""
    template_id = None
    if task["template_version_id"] is not None:
        statement = select(_VERSION.c.template_id).where(_VERSION.c.id == task["template_version_id"])
        template_id = (await uow.session.execute(statement)).scalar_one()
    wanted = Hold(task["id"], task["holds"], micros, task["worker_id"], template_id, task["api_key_id"])
    (refusal,) = await ledger.reserve(uow, [wanted])
    if refusal is not None:
        raise refusal


class Funding:
    """Queues tasks that waited for credits, in every workspace that has some now, one turn of each after the other.

    Remembers whose turn it was: with more funded workspaces than a round serves, the next round goes on behind them.
    """

    def __init__(self, engine: AsyncEngine, unit_of_work: UnitOfWorkFactory) -> None:
        self._engine = engine
        self._unit_of_work = unit_of_work
        self._last = UUID(int=0)

    async def round(self) -> int:
        """Returns how many tasks it queued."""
        async with self._engine.connect() as connection:
            funded = (await connection.execute(_FUNDED, {"most": MOST_WORKSPACES})).scalars().all()
        resumed = 0
        for workspace_id in sorted(funded, key=lambda found: (found <= self._last, found))[:WORKSPACES_PER_ROUND]:
            self._last = workspace_id
            async with self._unit_of_work(Principal.system(workspace_id)) as uow:
                resumed += await resume(uow)
        return resumed


async def resume(uow: UnitOfWork) -> int:
    """In this workspace: as its queue would start them, up to 100 for which there is enough. Returns how many."""
    after = _BEFORE_ALL
    for _ in range(PAGES_PER_TURN):
        tasks = (await uow.session.execute(_waiting(uow, after))).all()
        refusals = await ledger.reserve(uow, [_next_hold(task) for task in tasks])
        funded = [task.id for task, refusal in zip(tasks, refusals, strict=True) if not isinstance(refusal, AppError)]
        if funded:
            await _queue(uow, funded)
            return len(funded)
        if len(tasks) < TASKS_PER_TURN:
            break
        after = (tasks[-1].priority, tasks[-1].id)
    return 0


def _waiting(uow: UnitOfWork, after: tuple[int, UUID]) -> Select[Any]:
    """Those that what is available pays for one by one: a dear one does not hold up what is behind it."""
    mine = uow.principal.workspace_id
    available = select(_WORKSPACE.c.credits_micros).where(_WORKSPACE.c.id == mine).scalar_subquery()
    template = select(_VERSION.c.template_id).where(_VERSION.c.id == _TASK.c.template_version_id).scalar_subquery()
    columns = (_TASK.c.id, _TASK.c.priority, _TASK.c.holds, _TASK.c.routing, _TASK.c.worker_id, _TASK.c.api_key_id)
    return (
        select(*columns, template.label("template_id"))
        .where(
            _TASK.c.workspace_id == mine,
            _TASK.c.status == TaskStatus.WAITING,
            _TASK.c.wait["reason"].astext == TaskWaitReason.CREDITS,
            tuple_(_TASK.c.priority, _TASK.c.id) > after,
            _ceiling <= available,
        )
        .order_by(_TASK.c.priority, _TASK.c.id)
        .limit(TASKS_PER_TURN)
        .with_for_update(skip_locked=True)
    )


def _next_hold(task: Row[Any]) -> Hold:
    return Hold(task.id, task.holds + 1, ceiling_of(task.routing), task.worker_id, task.template_id, task.api_key_id)


async def _queue(uow: UnitOfWork, task_ids: Sequence[UUID]) -> None:
    """All in one statement: the workspace's row is locked by now. Theirs are too, so nobody else can be first."""
    changed = (
        update(_TASK)
        .where(_TASK.c.workspace_id == uow.principal.workspace_id, _TASK.c.id.in_(task_ids))
        .values(
            status=TRANSITIONS[TaskEventKind.RESUMED].target,
            version=_TASK.c.version + 1,
            event_seq=_TASK.c.event_seq + 1,
            event_xid=next_xid,
            wait=null(),
            wait_until=None,
            reserved_micros=_ceiling,
            holds=_TASK.c.holds + 1,
        )
        .returning(*_TASK.c)
        .cte("changed")
    )
    events = select(
        changed.c.id,
        changed.c.event_seq,
        changed.c.workspace_id,
        changed.c.event_xid,
        literal(TaskEventKind.RESUMED.value),
        changed.c.status,
        changed.c.attempt,
        literal({"reason": TaskWaitReason.CREDITS}, JSONB),
        literal(uow.now),
    )
    columns = ["task_id", "seq", "workspace_id", "xid", "kind", "status", "attempt", "data", "at"]
    await uow.session.execute(insert(_EVENT).from_select(columns, events))
    uow.log_events()
    uow.queue_tasks(len(task_ids))
