from datetime import date, datetime
from enum import StrEnum
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class BudgetScope(StrEnum):
    WORKSPACE = "WORKSPACE"
    WORKER = "WORKER"
    TEMPLATE = "TEMPLATE"
    API_KEY = "API_KEY"


class BudgetPeriod(StrEnum):
    DAY = "DAY"
    MONTH = "MONTH"


class Budget(SQLModel, table=True):
    """What a workspace, or one worker, template or API key of it, may cost in each day or month of UTC.

    Beyond `hard_micros` tasks are refused; once `soft_micros` are used, cheap models go first.
    """

    __tablename__ = "budgets"
    __table_args__ = (
        sa.Index(
            "budgets_once",
            "workspace_id",
            "scope",
            "scope_id",
            "period",
            unique=True,
            postgresql_nulls_not_distinct=True,
        ),
        sa.CheckConstraint("soft_micros >= 0 AND hard_micros >= 0", name="budgets_not_negative"),
        sa.CheckConstraint("soft_micros IS NOT NULL OR hard_micros IS NOT NULL", name="budgets_limit_something"),
    )

    id: UUID = columns.uuid_key()
    workspace_id: UUID = columns.reference("workspaces.id")
    scope: str = columns.varchar(20)
    scope_id: UUID | None = columns.optional_uuid()
    period: str = columns.varchar(10)
    soft_micros: int | None = Field(default=None, sa_type=sa.BigInteger, nullable=True)
    hard_micros: int | None = Field(default=None, sa_type=sa.BigInteger, nullable=True)
    created_at: datetime = columns.timestamp()


class BudgetUsage(SQLModel, table=True):
    """What has been charged to a budget in one period, or is held for tasks that may be."""

    __tablename__ = "budget_usage"

    budget_id: UUID = Field(
        sa_column=sa.Column(sa.Uuid, sa.ForeignKey("budgets.id", ondelete="CASCADE"), primary_key=True)
    )
    starts_on: date = Field(sa_type=sa.Date, primary_key=True)
    workspace_id: UUID = columns.reference("workspaces.id")
    used_micros: int = columns.micros()
    soft_passed_at: datetime | None = columns.optional_timestamp()


class BudgetHold(SQLModel, table=True):
    """What a task holds of a budget until it ends."""

    __tablename__ = "budget_holds"

    task_id: UUID = columns.uuid_of(primary_key=True)
    budget_id: UUID = Field(
        sa_column=sa.Column(sa.Uuid, sa.ForeignKey("budgets.id", ondelete="CASCADE"), primary_key=True)
    )
    workspace_id: UUID = columns.reference("workspaces.id")
    starts_on: date = Field(sa_type=sa.Date)
    amount_micros: int = columns.micros()
