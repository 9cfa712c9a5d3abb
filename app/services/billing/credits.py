"""A workspace's credits, as whoever operates the installation gives and takes them. Works as the tables' owner."""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import RowMapping, select
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import clock, ids
from app.db.audit import Entry, append
from app.db.reader import enter_workspace
from app.errors import InvalidInput, InvalidState
from app.models import LedgerKind, Workspace
from app.principal import Principal
from app.services.billing import ledger
from app.services.billing.queries import COLUMNS

# A thousand million credits: sums of them stay far from where 64 bits end, and are exact in every JSON reader.
MAX_MICROS = 10**15
MAX_REASON_LENGTH = 500
SHOWN_ENTRIES = 10
_WORKSPACE = Workspace.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Purse:
    """`balances` are columns of the workspace, in micro-credits; `entries` the newest of its ledger, newest first."""

    balances: RowMapping
    entries: Sequence[RowMapping]


async def show(engine: AsyncEngine, workspace_id: UUID) -> Purse | None:
    """None where there is no such workspace."""
    async with engine.connect() as connection:
        return await _read(connection, workspace_id)


async def post(engine: AsyncEngine, workspace_id: UUID, kind: LedgerKind, micros: int, reason: str) -> Purse | None:
    """Give credits, or with a negative ADJUSTMENT take some; None where there is no such workspace.

    Tasks that wait for credits are resumed by the next round of any worker's scheduler. Raises InvalidInput naming
    the field, or InvalidState where less is available than is to be taken.
    """
    _check(kind, micros, reason)
    operator = Principal.system(workspace_id)
    async with engine.begin() as connection:
        if await _read(connection, workspace_id) is None:
            return None
        await enter_workspace(connection, operator)
        try:
            number = await ledger.post(connection, workspace_id, kind, micros, reason.strip())
        except InvalidState as error:
            public_id = ids.encode(ids.WORKSPACE, workspace_id)
            raise InvalidState(
                f"{error.message} What is held for tasks cannot be taken: it comes back when they end. "
                f"`bizq credits show {public_id}` shows both.",
                ("micros",),
            ) from None
        data = {"micros": micros, "reason": reason.strip(), "entry": number}
        subject = ids.encode(ids.WORKSPACE, workspace_id)
        action = f"credits.{'grant' if kind is LedgerKind.GRANT else 'adjust'}"
        await append(connection, workspace_id, [Entry.by(operator, clock.now(), action, subject, data)])
        return await _read(connection, workspace_id)


def _check(kind: LedgerKind, micros: int, reason: str) -> None:
    if kind is LedgerKind.GRANT and micros < 0:
        raise InvalidInput("micros of a grant is positive; `bizq credits adjust` takes credits away.", ("micros",))
    if not 1 <= abs(micros) <= MAX_MICROS:
        raise InvalidInput(f"micros is {micros}; it can be 1 to {MAX_MICROS}, or as negative in adjust.", ("micros",))
    if not 1 <= len(reason.strip()) <= MAX_REASON_LENGTH or "\0" in reason:
        raise InvalidInput(f"reason has 1 to {MAX_REASON_LENGTH} characters, without NUL.", ("reason",))


async def _read(connection: AsyncConnection, workspace_id: UUID) -> Purse | None:
    found = select(*_WORKSPACE.c).where(_WORKSPACE.c.id == workspace_id)
    balances = (await connection.execute(found)).mappings().one_or_none()
    if balances is None:
        return None
    newest = (
        select(*COLUMNS).where(COLUMNS.workspace_id == workspace_id).order_by(COLUMNS.seq.desc()).limit(SHOWN_ENTRIES)
    )
    return Purse(balances, (await connection.execute(newest)).mappings().all())
