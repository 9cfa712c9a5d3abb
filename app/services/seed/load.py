"""Brings a set of demo data into the database, as the owner of its tables."""

import asyncio
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from datetime import timedelta
from itertools import chain, islice
from typing import Any, NamedTuple
from uuid import UUID

from sqlalchemy import insert, select, text
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, create_async_engine
from sqlalchemy.pool import NullPool

from app.db.engine import sqlalchemy_url
from app.db.vault import Vault
from app.errors import InvalidState
from app.models import ApiKey, LedgerEntry, Membership, TemplateVersion, User, Worker, Workspace
from app.services.account import people
from app.services.routing.catalogue import read_catalogue
from app.services.seed.companies import Company, found
from app.services.seed.history import History, Narrator
from app.services.seed.identity import BEGINNING, END
from app.services.seed.ledger import post_entries
from app.services.seed.rows import AttemptRow, EventRow, TaskRow
from app.services.seed.story import Routes
from app.services.template import builtin
from app.services.template.queries import COLUMNS

BATCH = 5_000
LANES = 3
_TABLES: dict[str, Any] = {
    model.__tablename__: model for model in (User, Workspace, LedgerEntry, Membership, ApiKey, Worker)
}
_TURN = text("SELECT pg_advisory_xact_lock(hashtext('bizq.seed'))")
# History of long ago: its partitions are made for it, and the scheduler drops none of them meanwhile.
_HOLD_HISTORY = text("SELECT pg_advisory_lock(hashtext('bizq.keep_history'))")
_ADD_PARTITIONS = text("SELECT add_partitions(:parent, :unit, :since, :until)")
_LAST_SET = text(r"SELECT max(substring(slug FROM '^seed(\d{1,6})-')::integer) FROM workspaces")
# A young installation has few workspaces, so PostgreSQL would check each foreign key by scanning all of them: with the
# index the whole is a third faster.
_SESSION = {"application_name": "bizq seed", "enable_seqscan": "off"}
_FILLED = ("tasks", "task_attempts", "task_events", "ledger_entries")


@dataclass(frozen=True, slots=True)
class Plan:
    """`tasks` in all, over all workspaces; the newest `queued` of them are left for a worker to do."""

    workspaces: int
    tasks: int
    queued: int = 0


@dataclass(frozen=True, slots=True)
class Seeded:
    """A workspace of the new set. `api_key` is the secret, which is stored nowhere."""

    workspace_id: UUID
    name: str
    slug: str
    api_key: str
    tasks: int


@dataclass(frozen=True, slots=True)
class SeedReport:
    set_number: int
    workspaces: Sequence[Seeded]
    tasks: int
    seconds: float


class _Stage(NamedTuple):
    """A temporary table that COPY may fill, and how its rows get to where they belong."""

    table: str
    columns: tuple[str, ...]
    xid_column: str | None

    async def fill(self, connection: AsyncConnection, rows: list[Any]) -> None:
        columns = ", ".join(self.columns)
        into, also = (f", {self.xid_column}", ", pg_current_xact_id()") if self.xid_column else ("", "")
        # The first statement through SQLAlchemy also begins the transaction, which the driver's COPY then is part of.
        await connection.execute(
            # Names of tables and columns are this file's own.
            text(f"CREATE TEMP TABLE {self.name} ON COMMIT DROP AS SELECT {columns} FROM {self.table} LIMIT 0")  # noqa: S608
        )
        driver: Any = (await connection.get_raw_connection()).driver_connection
        await driver.copy_records_to_table(self.name, records=rows, columns=self.columns)
        await connection.execute(
            text(f"INSERT INTO {self.table} ({columns}{into}) SELECT {columns}{also} FROM {self.name}")  # noqa: S608
        )

    @property
    def name(self) -> str:
        return f"seeded_{self.table}"


# Row-level security is forced, and COPY refuses such tables to whoever is subject to it, the owner included. COPY into
# a temporary table, then INSERT … SELECT, is as fast.
_STAGES = (
    _Stage("tasks", TaskRow._fields, "event_xid"),
    _Stage("task_attempts", AttemptRow._fields, None),
    _Stage("task_events", EventRow._fields, "xid"),
)


async def seed(owner_url: str, vault: Vault, plan: Plan, on_progress: Callable[[int], None]) -> SeedReport:
    """Add a set. `on_progress` hears how many tasks are in. Raises InvalidState before `bizq migrate`."""
    began = time.monotonic()
    engine = create_async_engine(
        sqlalchemy_url(owner_url), poolclass=NullPool, connect_args={"server_settings": _SESSION}
    )
    try:
        async with engine.connect() as holder:
            await _make_room(holder)
            async with engine.begin() as connection:
                versions = await _versions(connection)
                set_number, companies = await _found(connection, vault, plan.workspaces)
            catalogue = await read_catalogue(engine)
            narrator = Narrator(set_number, companies, versions, Routes(catalogue))
            counts = await _load_tasks(engine, narrator.tell(plan.tasks, plan.queued), on_progress)
        # So that the first pages after many are planned with the right sizes in mind.
        if plan.tasks >= BATCH:
            async with engine.begin() as connection:
                await connection.execute(text(f"ANALYZE {', '.join(_FILLED)}"))
    finally:
        await engine.dispose()
    seeded = [
        Seeded(item.workspace_id, item.name, item.slug, item.key.secret, counts[item.workspace_id])
        for item in companies
    ]
    return SeedReport(set_number, seeded, plan.tasks, time.monotonic() - began)


async def _make_room(connection: AsyncConnection) -> None:
    """Partitions for the time that the histories are about, which stay as long as this connection."""
    await connection.execute(_HOLD_HISTORY)
    for parent, unit in (("task_events", "week"), ("task_attempts", "month")):
        values = {"parent": parent, "unit": unit, "since": BEGINNING, "until": END + timedelta(days=1)}
        await connection.execute(_ADD_PARTITIONS, values)
    await connection.commit()


async def _versions(connection: AsyncConnection) -> dict[str, UUID]:
    """The present version of each built-in template."""
    version = TemplateVersion.__table__.c  # type: ignore[attr-defined]
    latest = (COLUMNS.id == version.template_id) & (COLUMNS.latest_version == version.number)
    statement = select(COLUMNS.slug, version.id).where(latest, COLUMNS.workspace_id.is_(None))
    versions = {row.slug: row.id for row in await connection.execute(statement)}
    missing = [template.slug for template in builtin.load() if template.slug not in versions]
    if missing:
        raise InvalidState(f"The database has no template {missing[0]}: run `bizq migrate` first.")
    return versions


async def _found(connection: AsyncConnection, vault: Vault, count: int) -> tuple[int, list[Company]]:
    """Seeds take turns here, so each gets a number of its own."""
    await connection.execute(_TURN)
    set_number = ((await connection.execute(_LAST_SET)).scalar_one() or 0) + 1
    companies = found(set_number, count)
    for company in companies:
        for user in company.rows["users"]:
            user.update(people.sealed(vault, user["id"], email=user["email"], name=user["name"]))
    for name, model in _TABLES.items():
        rows = [row for company in companies for row in company.rows[name]]
        await connection.execute(insert(model), rows)
    return set_number, companies


async def _load_tasks(
    engine: AsyncEngine, histories: Iterator[History], on_progress: Callable[[int], None]
) -> Counter[UUID]:
    """Several connections at once: a database has more than one core. Returns the number of tasks by workspace."""
    counts: Counter[UUID] = Counter()
    telling, latest = asyncio.Lock(), asyncio.Event()
    latest.set()

    async def load_batches() -> None:
        nonlocal latest
        async with engine.connect() as connection:
            while True:
                async with telling:
                    batch = await asyncio.to_thread(_take, histories)
                    before, latest = latest, asyncio.Event()
                    committed = latest
                if not batch:
                    return
                await _load(connection, batch)
                # One after the other: so the ledger is the same every time.
                await before.wait()
                await post_entries(connection)
                await connection.commit()
                committed.set()
                counts.update(history.task.workspace_id for history in batch)
                on_progress(counts.total())

    async with asyncio.TaskGroup() as lanes:
        for _ in range(LANES):
            lanes.create_task(load_batches())
    return counts


def _take(histories: Iterator[History]) -> list[History]:
    return list(islice(histories, BATCH))


async def _load(connection: AsyncConnection, batch: Sequence[History]) -> None:
    tasks, attempts, events = _STAGES
    await tasks.fill(connection, [history.task for history in batch])
    await attempts.fill(connection, list(chain.from_iterable(history.attempts for history in batch)))
    await events.fill(connection, list(chain.from_iterable(history.events for history in batch)))
