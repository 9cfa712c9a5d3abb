"""Reads of the ledger and of billing events: columns, of one workspace."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import Select, select

from app.models import BillingEvent, LedgerEntry, LedgerKind

COLUMNS = LedgerEntry.__table__.c  # type: ignore[attr-defined]
# Entries that move none of the workspace's credits: they are the installation's own accounts.
OPERATORS_KINDS = frozenset({LedgerKind.PROVIDER_COST})
EVENT_COLUMNS = BillingEvent.__table__.c  # type: ignore[attr-defined]


def ledger_of(workspace_id: UUID) -> Select[Any]:
    """What a workspace sees of its ledger."""
    return select(*COLUMNS).where(COLUMNS.workspace_id == workspace_id, COLUMNS.kind.not_in(OPERATORS_KINDS))


def entries_by_numbers(workspace_id: UUID, numbers: Collection[int]) -> Select[Any]:
    return ledger_of(workspace_id).where(COLUMNS.seq.in_(numbers))


def events_of(workspace_id: UUID) -> Select[Any]:
    return select(*EVENT_COLUMNS).where(EVENT_COLUMNS.workspace_id == workspace_id)
