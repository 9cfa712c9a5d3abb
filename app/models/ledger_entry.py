from datetime import datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class LedgerKind(StrEnum):
    GRANT = "GRANT"
    PURCHASE = "PURCHASE"
    RESERVE = "RESERVE"
    SETTLE = "SETTLE"
    RELEASE = "RELEASE"
    REFUND = "REFUND"
    ADJUSTMENT = "ADJUSTMENT"
    AUTHOR_SHARE = "AUTHOR_SHARE"
    PROVIDER_COST = "PROVIDER_COST"


class Account(StrEnum):
    """Each workspace has AVAILABLE and RESERVED; the others are the installation's, kept apart for each workspace."""

    AVAILABLE = "AVAILABLE"
    RESERVED = "RESERVED"
    REVENUE = "REVENUE"
    PROMO = "PROMO"
    CLEARING = "CLEARING"
    PROVIDERS = "PROVIDERS"
    PROVIDER_COST = "PROVIDER_COST"


class LedgerEntry(SQLModel, table=True):
    """A double entry in one row: so much left the one account for the other, so that every posting sums to zero.

    Only ever added, by functions of the tables' owner. `seq` counts a workspace's entries without a gap; the balances
    are those of the workspace right after. `hold` counts how often credits were reserved for the task: each time is
    settled once. `attempt` is the one that ended it.
    """

    __tablename__ = "ledger_entries"
    __table_args__ = (
        sa.Index(
            "idx_ledger_entries_once",
            "task_id",
            "kind",
            "hold",
            unique=True,
            postgresql_where=sa.text("task_id IS NOT NULL"),
        ),
        sa.Index("idx_ledger_entries_created_at", "created_at", postgresql_using="brin"),
        sa.CheckConstraint("amount_micros > 0", name="ledger_entries_amount_positive"),
        sa.CheckConstraint("debit <> credit", name="ledger_entries_between_two_accounts"),
        sa.CheckConstraint("available_micros >= 0 AND reserved_micros >= 0", name="ledger_entries_never_in_debt"),
    )

    workspace_id: UUID = columns.reference("workspaces.id", primary_key=True)
    seq: int = Field(sa_type=sa.BigInteger, primary_key=True)
    kind: str = columns.varchar(20)
    debit: str = columns.varchar(60)
    credit: str = columns.varchar(60)
    amount_micros: int = Field(sa_type=sa.BigInteger)
    available_micros: int = Field(sa_type=sa.BigInteger)
    reserved_micros: int = Field(sa_type=sa.BigInteger)
    task_id: UUID | None = columns.optional_uuid()
    hold: int | None = Field(default=None, sa_type=sa.Integer, nullable=True)
    attempt: int | None = Field(default=None, sa_type=sa.Integer, nullable=True)
    reason: str | None = columns.optional_varchar(500)
    created_at: datetime = columns.timestamp()
