"""Seals again, with the first key of the ring, what is sealed with another: as the tables' owner, beside the service.

Nothing remembers how far it came: every value names its key. A run after one that was killed goes through all rows
again, which costs microseconds each, and finds what is left.
"""

from collections.abc import AsyncIterator, Callable, Sequence
from dataclasses import dataclass, field
from typing import NamedTuple
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.db.sealed import SealedColumn
from app.db.vault import Unreadable, Vault

BATCH = 200
# No row has this id, and every other comes after it.
_BEFORE_ALL = UUID(int=0)
# What is done (such as `sealing users.email`), how many values so far, and of how many.
OnProgress = Callable[[str, int, int], None]


@dataclass(slots=True)
class Report:
    """The values of one place: `current` ones are sealed with the first key and found by it, `old` ones are not.

    `resealed` were old before. `unreadable` says why, by row; `taken` are rows whose value another row has already.
    """

    place: str
    total: int = 0
    current: int = 0
    old: int = 0
    resealed: int = 0
    unreadable: dict[UUID, str] = field(default_factory=dict)
    taken: list[UUID] = field(default_factory=list)

    @property
    def done(self) -> bool:
        """Whether the first key is all that this place needs."""
        return self.current == self.total


async def rotate(
    engine: AsyncEngine, vault: Vault, places: Sequence[SealedColumn], on_progress: OnProgress
) -> list[Report]:
    """What is there in the end, after everything was read once more."""
    renewed = [await _Walk(engine, vault, place).renew(on_progress) for place in places]
    reports = await check(engine, vault, places, on_progress)
    for before, report in zip(renewed, reports, strict=True):
        report.resealed, report.taken = before.resealed, before.taken
    return reports


async def check(
    engine: AsyncEngine, vault: Vault, places: Sequence[SealedColumn], on_progress: OnProgress
) -> list[Report]:
    """Opens every value and changes none."""
    return [await _Walk(engine, vault, place).look(on_progress) for place in places]


class _Value(NamedTuple):
    key: UUID
    sealed: bytes
    blind: bytes | None


class _Fresh(NamedTuple):
    """`old` is what must still be there when it is written."""

    key: UUID
    old: bytes
    sealed: bytes
    blind: bytes | None


class _Walk:
    """Once through a place, in the order of its rows' ids: what is added meanwhile comes at the end."""

    def __init__(self, engine: AsyncEngine, vault: Vault, column: SealedColumn) -> None:
        self._engine = engine
        self._vault = vault
        self._column = column
        self._report = Report(column.place)
        table, key, sealed, index = column.table, column.key, column.column, column.index
        # Names of tables and columns are our own.
        values = f"SELECT {key} AS key, {sealed} AS sealed, {index or 'NULL::bytea'} AS blind FROM {table}"  # noqa: S608
        self._count = text(f"SELECT count({sealed}) FROM {table}")  # noqa: S608
        self._page = text(f"{values} WHERE {sealed} IS NOT NULL AND {key} > :after ORDER BY {key} LIMIT {BATCH}")
        self._one = text(f"{values} WHERE {sealed} IS NOT NULL AND {key} = :key")
        change = f"UPDATE {table} t SET {sealed} = fresh.sealed{f', {index} = fresh.blind' if index else ''}"  # noqa: S608
        given = """
            SELECT * FROM unnest(
                CAST(:keys AS uuid[]), CAST(:old AS bytea[]), CAST(:sealed AS bytea[]), CAST(:blind AS bytea[])
            ) AS given (key, old, sealed, blind)"""
        same = f"t.{key} = fresh.key AND t.{sealed} = fresh.old"
        self._change = text(f"WITH fresh AS ({given}) {change} FROM fresh WHERE {same}")
        # Never waits, so however many rows it holds, nobody can wait for it who is waited for.
        free = f"SELECT t.{key} AS key FROM {table} t JOIN fresh ON {same} FOR UPDATE OF t SKIP LOCKED"  # noqa: S608
        self._change_free = text(
            f"WITH fresh AS ({given}), free AS ({free}) "
            f"{change} FROM fresh JOIN free USING (key) WHERE t.{key} = free.key RETURNING t.{key}"
        )

    async def look(self, on_progress: OnProgress) -> Report:
        async for _ in self._old_values(f"checking {self._column.place}", on_progress):
            pass
        return self._report

    async def renew(self, on_progress: OnProgress) -> Report:
        async for values in self._old_values(f"sealing {self._column.place}", on_progress):
            if values:
                await self._reseal(values)
        return self._report

    async def _old_values(self, step: str, on_progress: OnProgress) -> AsyncIterator[list[_Fresh]]:
        """Batch by batch, what would take the place of values that are not current."""
        async with self._engine.connect() as connection:
            of = (await connection.execute(self._count)).scalar_one()
        on_progress(step, 0, of)
        values = await self._read(_BEFORE_ALL)
        while values:
            self._report.total += len(values)
            yield [fresh for value in values if (fresh := self._fresh(value)) is not None]
            on_progress(step, self._report.total, max(of, self._report.total))
            values = await self._read(values[-1].key)

    async def _read(self, after: UUID) -> list[_Value]:
        async with self._engine.connect() as connection:
            return [_Value(*row) for row in await connection.execute(self._page, {"after": after})]

    def _fresh(self, value: _Value) -> _Fresh | None:
        """None for a value that is current, or that cannot be opened."""
        place = self._column.place
        try:
            content = self._vault.open(place, value.key, value.sealed)
        except Unreadable as error:
            self._report.unreadable[value.key] = str(error)
            return None
        index = self._vault.index(place, content) if self._column.index else None
        if self._vault.is_current(value.sealed) and value.blind == index:
            self._report.current += 1
            return None
        self._report.old += 1
        return _Fresh(value.key, value.sealed, self._vault.seal(place, value.key, content), index)

    async def _reseal(self, values: list[_Fresh]) -> None:
        """Rows that somebody holds or has changed, or all where an index is taken, are looked at one by one."""
        try:
            async with self._engine.begin() as connection:
                written = set((await connection.execute(self._change_free, _lists(values))).scalars())
        except IntegrityError:
            written = set()
        self._report.resealed += len(written)
        for value in values:
            if value.key not in written:
                await self._reseal_one(value.key)

    async def _reseal_one(self, key: UUID) -> None:
        """Waits for whoever holds the row. What is changed even now is left to the count in the end."""
        async with self._engine.connect() as connection:
            fresh = await self._read_again(connection, key)
        if fresh is None:
            return
        try:
            async with self._engine.begin() as connection:
                self._report.resealed += (await connection.execute(self._change, _lists([fresh]))).rowcount
        except IntegrityError:
            self._report.taken.append(key)

    async def _read_again(self, connection: AsyncConnection, key: UUID) -> _Fresh | None:
        row = (await connection.execute(self._one, {"key": key})).one_or_none()
        return self._fresh(_Value(*row)) if row is not None else None


def _lists(values: Sequence[_Fresh]) -> dict[str, list[object]]:
    keys, old, sealed, blind = map(list, zip(*values, strict=True))
    return {"keys": keys, "old": old, "sealed": sealed, "blind": blind}
