"""The usage report: counted by the scheduler into a table by day, read from there by any of its columns."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any
from uuid import UUID

from sqlalchemy import ColumnElement, Interval, RowMapping, Select, bindparam, func, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.reader import Reader
from app.errors import InvalidInput, LimitExceeded
from app.models import UsageDay, UsageProgress

MAX_DAYS = 366
MAX_ROWS = 1_000
# More processes refresh no more often; and however much there is to count, a tenth of the time at most goes into it.
LEAST_AGE = timedelta(seconds=50)
# A day with millions of tasks takes longer than a request may.
_PATIENCE = text("SET LOCAL statement_timeout = '120s'")
_REFRESH = text("SELECT refresh_usage(:least_age)").bindparams(bindparam("least_age", type_=Interval))
_DAY = UsageDay.__table__.c  # type: ignore[attr-defined]
_PROGRESS = UsageProgress.__table__.c  # type: ignore[attr-defined]
_NOBODY = UUID(int=0)
COUNTS = (
    "tasks",
    "succeeded",
    "failed",
    "canceled",
    "expired",
    "attempts",
    "input_tokens",
    "cached_input_tokens",
    "output_tokens",
    "cost_micros",
)


class UsageGroup(StrEnum):
    DAY = "DAY"
    TYPE = "TYPE"
    WORKER = "WORKER"
    TEMPLATE = "TEMPLATE"
    MODEL = "MODEL"


_COLUMNS: dict[UsageGroup, tuple[ColumnElement[Any], ...]] = {
    UsageGroup.DAY: (_DAY.day,),
    UsageGroup.TYPE: (_DAY.type,),
    UsageGroup.WORKER: (func.nullif(_DAY.worker_id, _NOBODY).label("worker_id"),),
    UsageGroup.TEMPLATE: (func.nullif(_DAY.template_id, _NOBODY).label("template_id"),),
    UsageGroup.MODEL: (
        func.nullif(_DAY.provider, "").label("provider"),
        func.nullif(_DAY.model, "").label("model"),
    ),
}


@dataclass(frozen=True, slots=True)
class Period:
    """Days of UTC, the first and the last among them."""

    first: date
    last: date


@dataclass(frozen=True, slots=True)
class Usage:
    """`rows` in the order of their groups. `refreshed_at` is None before anything was counted."""

    period: Period
    rows: Sequence[RowMapping]
    total: RowMapping
    refreshed_at: datetime | None


def period(first: date | None, last: date | None, today: date) -> Period:
    """By default this month until today. Raises InvalidInput or LimitExceeded, naming the argument."""
    last = today if last is None else last
    first = last.replace(day=1) if first is None else first
    if first > last:
        raise InvalidInput(f"from is {first}, which is after to, {last}.", ("from",))
    days = (last - first).days + 1
    if days > MAX_DAYS:
        message = f"From {first} to {last} are {days} days; the limit is {MAX_DAYS}."
        raise LimitExceeded(message, limit=MAX_DAYS, actual=days, path=("from",))
    return Period(first, last)


async def read_usage(reader: Reader, workspace_id: UUID, wanted: Period, groups: Sequence[UsageGroup]) -> Usage:
    """Raises LimitExceeded for more than 1,000 rows, and InvalidInput for a group that is named twice."""
    if len(set(groups)) < len(groups):
        raise InvalidInput("groupBy names something twice.", ("groupBy",))
    columns = [column for group in groups for column in _COLUMNS[group]]
    keys = [column.element if hasattr(column, "element") else column for column in columns]
    within = (_DAY.workspace_id == workspace_id) & _DAY.day.between(wanted.first, wanted.last)
    total = await reader.row(_sums().where(within))
    assert total is not None
    rows: Sequence[RowMapping] = [total]
    if groups:
        by_group = _sums(*columns).where(within).group_by(*keys).order_by(*keys)
        rows = await reader.rows(by_group.limit(MAX_ROWS + 1))
        if len(rows) > MAX_ROWS:
            await _refuse(reader, by_group)
    progress = await reader.row(select(_PROGRESS.refreshed_at))
    return Usage(wanted, rows, total, progress["refreshed_at"] if progress is not None else None)


async def refresh(engine: AsyncEngine, least_age: timedelta = LEAST_AGE) -> bool:
    """Count what is new, in one process at a time. True where more days wait to be counted for good."""
    async with engine.begin() as connection:
        await connection.execute(_PATIENCE)
        more: bool = (await connection.execute(_REFRESH, {"least_age": least_age})).scalar_one()
    return more


def _sums(*columns: ColumnElement[Any]) -> Select[Any]:
    return select(*columns, *(func.coalesce(func.sum(_DAY[name]), 0).label(name) for name in COUNTS))


async def _refuse(reader: Reader, statement: Select[Any]) -> None:
    counted = await reader.row(select(func.count().label("rows")).select_from(statement.subquery()))
    assert counted is not None
    message = f"These are {counted['rows']} rows; the limit is {MAX_ROWS}: take a shorter period, or group by less."
    raise LimitExceeded(message, limit=MAX_ROWS, actual=counted["rows"], path=("groupBy",))
