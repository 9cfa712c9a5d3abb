"""Each workspace's share of the queue and its plan, as whoever operates the installation sets them.

Works as the tables' owner.
"""

from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal
from uuid import UUID

from sqlalchemy import Select, func, select, update
from sqlalchemy.ext.asyncio import AsyncEngine

from app import clock, ids
from app.db.audit import Entry, append
from app.db.reader import enter_workspace
from app.errors import InvalidInput
from app.models import Task, TaskStatus, Workspace
from app.models.workspace import MAX_CONCURRENCY, MAX_WEIGHT
from app.principal import Principal

DEFAULT: Final = "default"
_WORKSPACE = Workspace.__table__  # type: ignore[attr-defined]
_TASK = Task.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Share:
    """`weight` tasks may start in each round of the queue, `concurrency` may run at once (None: the installation's
    default). `queued` and `running` are how many tasks are in these states now."""

    workspace_id: UUID
    name: str
    plan: str
    weight: int
    concurrency: int | None
    queued: int
    running: int


async def list_shares(engine: AsyncEngine) -> Sequence[Share]:
    """Of every workspace, in the order of their creation."""
    async with engine.connect() as connection:
        return [Share(**row) for row in (await connection.execute(_shares())).mappings()]


def changes(
    *,
    weight: int | None,
    concurrency: int | Literal["default"] | None,
    plan: str | None = None,
    plans: Collection[str] = (),
) -> dict[str, int | str | None]:
    """The columns to set; None leaves one as it is. Raises InvalidInput naming the limit, or the `plans` there are."""
    wanted: dict[str, int | str | None] = {}
    if weight is not None:
        wanted["weight"] = _within("weight", weight, MAX_WEIGHT)
    if concurrency is not None:
        wanted["concurrency"] = None if concurrency == DEFAULT else _within("concurrency", concurrency, MAX_CONCURRENCY)
    if plan is not None:
        if plan not in plans:
            raise InvalidInput(f"plan is {plan}; it can be {', '.join(plans)} (BIZQ_RATE_PLANS).", ("plan",))
        wanted["plan"] = plan
    return wanted


async def change_share(engine: AsyncEngine, workspace_id: UUID, wanted: dict[str, int | str | None]) -> Share | None:
    """The share after the change, which counts from the next claim on; None where there is no such workspace."""
    async with engine.begin() as connection:
        await connection.execute(update(_WORKSPACE).where(_WORKSPACE.c.id == workspace_id).values(**wanted))
        row = (await connection.execute(_shares().where(_WORKSPACE.c.id == workspace_id))).mappings().one_or_none()
        if row is None:
            return None
        operator = Principal.system(workspace_id)
        subject = ids.encode(ids.WORKSPACE, workspace_id)
        await enter_workspace(connection, operator)
        await append(connection, workspace_id, [Entry.by(operator, clock.now(), "workspace.set", subject, wanted)])
    return Share(**row)


def _shares() -> Select[Any]:
    columns = _WORKSPACE.c
    return select(
        columns.id.label("workspace_id"),
        columns.name,
        columns.plan,
        columns.weight,
        columns.concurrency,
        _count(TaskStatus.QUEUED).label("queued"),
        _count(TaskStatus.RUNNING).label("running"),
    ).order_by(columns.id)


def _count(status: TaskStatus) -> Any:
    """One range of the index (workspace_id, status, id) for each workspace, however large the table."""
    mine = (_TASK.c.workspace_id == _WORKSPACE.c.id) & (_TASK.c.status == status)
    return select(func.count()).select_from(_TASK).where(mine).correlate(_WORKSPACE).scalar_subquery()


def _within(name: str, value: int, most: int) -> int:
    if not 1 <= value <= most:
        raise InvalidInput(f"{name} is {value}; it can be 1 to {most}.", (name,))
    return value
