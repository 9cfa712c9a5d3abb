"""Proves the ledger: everything that it promises is counted anew, at one moment, for one workspace or for all."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Uuid as UuidType
from sqlalchemy import bindparam, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import ids
from app.services.billing.invariants import INVARIANTS, SUBJECTS, Invariant

_COUNTS = text("""
    SELECT count(DISTINCT w.id) AS workspaces, coalesce(sum(w.ledger_seq), 0)::bigint AS entries FROM workspaces w
    WHERE cast(:workspace AS uuid) IS NULL OR w.id = :workspace
""").bindparams(bindparam("workspace", type_=UuidType))


@dataclass(frozen=True, slots=True)
class Break:
    """A place where a promise does not hold. `subject` is the public id of the task or budget, None where the
    workspace itself is meant."""

    invariant: str
    workspace_id: UUID
    subject: str | None
    problem: str

    def __str__(self) -> str:
        where = " ".join(filter(None, (ids.encode(ids.WORKSPACE, self.workspace_id), self.subject)))
        return f"{where}: {self.invariant}: {self.problem}"


@dataclass(frozen=True, slots=True)
class LedgerReport:
    """What was looked at, and every break. `promises` are the invariants, in words."""

    workspaces: int
    entries: int
    promises: dict[str, str]
    breaks: Sequence[Break]


# Hears how many of the invariants are proved, of how many, and which is next.
OnProgress = Callable[[int, int, str], None]


async def verify(engine: AsyncEngine, workspace_id: UUID | None, on_progress: OnProgress) -> LedgerReport | None:
    """As the tables' owner; None where there is no such workspace.

    All queries see the database as it was when the first began, and take no locks: tasks go on meanwhile.
    """
    breaks: list[Break] = []
    snapshot = engine.execution_options(isolation_level="REPEATABLE READ", postgresql_readonly=True)
    async with snapshot.connect() as connection:
        counts = (await connection.execute(_COUNTS, {"workspace": workspace_id})).one()
        if workspace_id is not None and not counts.workspaces:
            return None
        for done, invariant in enumerate(INVARIANTS):
            on_progress(done, len(INVARIANTS), invariant.name)
            breaks += await _exceptions(connection, invariant, workspace_id)
        on_progress(len(INVARIANTS), len(INVARIANTS), "done")
    promises = {invariant.name: invariant.promise for invariant in INVARIANTS}
    return LedgerReport(counts.workspaces, counts.entries, promises, breaks)


async def _exceptions(connection: AsyncConnection, invariant: Invariant, workspace_id: UUID | None) -> list[Break]:
    query = text(SUBJECTS + invariant.query).bindparams(bindparam("workspace", type_=UuidType))
    rows = await connection.execute(query, {"workspace": workspace_id})
    return [
        Break(invariant.name, row["workspace_id"], _subject(row), invariant.problem.format_map(row))
        for row in (dict(row) for row in rows.mappings())
    ]


def _subject(row: dict[str, UUID | None]) -> str | None:
    task_id, budget_id = row.get("task_id"), row.get("budget_id")
    if task_id is not None:
        return ids.encode(ids.TASK, task_id)
    return ids.encode(ids.BUDGET, budget_id) if budget_id is not None else None
