"""Recomputes the chains of the audit log, as the tables' owner, and finds where one was tampered with.

What it proves: nobody changed, removed or put in an entry without computing every later hash anew, and the chain's end
with them. Who has the owner's login and switches triggers off can do just that. Against them a copy of an end's hash
helps which they do not have (`anchors`): it is only right for the same entries up to it.
"""

from collections.abc import AsyncIterator, Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import Row, func, select, text, union
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db import audit
from app.db.audit import NO_HASH, Entry
from app.models import AuditChain, AuditEntry, Workspace

BATCH = 1_000
_ENTRY = AuditEntry.__table__  # type: ignore[attr-defined]
_CHAIN = AuditChain.__table__  # type: ignore[attr-defined]
_WORKSPACE = Workspace.__table__  # type: ignore[attr-defined]
# One statement, and so one moment: no entry that is written meanwhile is taken for one that was put in.
_BEYOND = text("""
    SELECT min(e.seq) FROM audit_entries e LEFT JOIN audit_chains c ON c.workspace_id = e.workspace_id
    WHERE e.workspace_id = :workspace AND (e.seq > coalesce(c.seq, 0) OR e.seq < 1)
""")


class Head(NamedTuple):
    """The end of a chain: the number of its last entry, and that entry's hash."""

    seq: int
    hash: bytes


@dataclass(frozen=True, slots=True)
class ChainReport:
    """`broken_at` is the number of the first entry that is not right, `problem` what is wrong with it; both None where
    the chain is whole. `entries` were looked at."""

    workspace_id: UUID
    entries: int
    head: Head
    broken_at: int | None = None
    problem: str | None = None


Anchors = Mapping[UUID, Head]
OnProgress = Callable[[int, int], None]


async def verify(
    engine: AsyncEngine, workspace_id: UUID | None, anchors: Anchors, on_progress: OnProgress
) -> Sequence[ChainReport]:
    """Of one workspace, or of all, in the order of their ids; empty where there is no such workspace.

    `on_progress` hears how many entries have been looked at, of about how many.
    """
    reports: list[ChainReport] = []
    async with engine.connect() as connection:
        chains = await _chains(connection, workspace_id, anchors)
        total = int((await connection.execute(select(func.coalesce(func.sum(_CHAIN.c.seq), 0)))).scalar_one())
        for chain in chains:
            done = sum(report.entries for report in reports)
            walk = _Walk(connection, chain, anchors.get(chain), partial(_add, on_progress, total, done))
            reports.append(await walk.run())
    return reports


async def _chains(connection: AsyncConnection, workspace_id: UUID | None, anchors: Anchors) -> list[UUID]:
    """Every workspace, and whatever else has entries, an end or an anchor."""
    known = union(select(_WORKSPACE.c.id), select(_CHAIN.c.workspace_id), select(_ENTRY.c.workspace_id))
    found = {*(await connection.execute(known)).scalars(), *anchors}
    await connection.rollback()
    return sorted(chain for chain in found if workspace_id in (None, chain))


def _add(on_progress: OnProgress, total: int, done: int, count: int) -> None:
    on_progress(done + count, total)


class _Walk:
    """Along one chain."""

    def __init__(
        self, connection: AsyncConnection, chain: UUID, anchor: Head | None, on_progress: Callable[[int], None]
    ) -> None:
        self._connection = connection
        self._chain = chain
        self._anchor = anchor
        self._on_progress = on_progress
        self._last = Head(0, NO_HASH)

    async def run(self) -> ChainReport:
        # First: an entry that is written meanwhile is beyond it, and left to the next time.
        head = await self._head()
        async for batch in self._batches(head.seq):
            for row in batch:
                problem = self._look_at(row)
                if problem is not None:
                    return self._report(head, self._last.seq + 1, problem)
            self._on_progress(self._last.seq)
        return await self._check_end(head)

    def _look_at(self, row: Row[Any]) -> str | None:
        seq = self._last.seq + 1
        if row.seq != seq:
            return f"entry {seq} is missing: the next one there is has the number {row.seq}"
        if self._hash_of(row) != row.hash:
            return f"entry {seq} was altered: its hash is not that of its content and the entries before"
        if self._anchor is not None and self._anchor.seq == seq and self._anchor.hash != row.hash:
            return f"entry {seq} or one before was replaced: its hash is not the one of the anchor"
        self._last = Head(seq, row.hash)
        return None

    def _hash_of(self, row: Row[Any]) -> bytes | None:
        """None for what could not have been written as an entry."""
        try:
            content = audit.canonical(self._chain, _entry(row))
        except TypeError:
            return None
        return audit.chained(self._last.hash, row.seq, content)

    async def _check_end(self, head: Head) -> ChainReport:
        if self._last.seq < head.seq:
            missing = self._last.seq + 1
            return self._report(head, missing, f"entry {missing} is missing: the chain ends at {head.seq}")
        if self._last.hash != head.hash:
            return self._report(
                head, head.seq, f"entry {head.seq} was replaced: its hash is not that of the chain's end"
            )
        beyond = (await self._connection.execute(_BEYOND, {"workspace": self._chain})).scalar_one()
        await self._connection.rollback()
        if beyond is not None:
            return self._report(head, beyond, f"entry {beyond} was put in: it is not in the chain")
        if self._anchor is not None and self._anchor.seq > head.seq:
            missing = head.seq + 1
            return self._report(head, missing, f"entry {missing} is missing: the anchor is entry {self._anchor.seq}")
        return self._report(head)

    def _report(self, head: Head, broken_at: int | None = None, problem: str | None = None) -> ChainReport:
        return ChainReport(self._chain, self._last.seq, head, broken_at, problem)

    async def _head(self) -> Head:
        found = select(_CHAIN.c.seq, _CHAIN.c.hash).where(_CHAIN.c.workspace_id == self._chain)
        row = (await self._connection.execute(found)).one_or_none()
        await self._connection.rollback()
        return Head(row.seq, row.hash) if row is not None else Head(0, NO_HASH)

    async def _batches(self, until: int) -> AsyncIterator[Sequence[Row[Any]]]:
        """Each in a transaction of its own: a long one would hold back what the database cleans up."""
        after = 0
        while True:
            page = (
                select(*_ENTRY.c)
                .where(_ENTRY.c.workspace_id == self._chain, _ENTRY.c.seq > after, _ENTRY.c.seq <= until)
                .order_by(_ENTRY.c.seq)
                .limit(BATCH)
            )
            rows = (await self._connection.execute(page)).all()
            await self._connection.rollback()
            if not rows:
                return
            yield rows
            after = rows[-1].seq


def _entry(row: Row[Any]) -> Entry:
    return Entry(
        action=row.action,
        subject=row.subject,
        data=row.data,
        at=row.at,
        user_id=row.user_id,
        api_key_id=row.api_key_id,
        role=row.role,
        client=row.client_address,
    )
