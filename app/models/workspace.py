from datetime import datetime
from decimal import Decimal
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns

# A turn in the queue is no more than a batch of claims, so nobody waits for longer than that.
MAX_WEIGHT = 25
MAX_CONCURRENCY = 10_000


class Workspace(SQLModel, table=True):
    """A company: the unit of isolation, of credits and of fairness between queues.

    Of its money, `credits_micros` is available and `reserved_micros` held for tasks; the others are what the ledger has
    on the installation's side for it. Functions of the tables' owner change them, with an entry of the ledger each.
    `weight` is how many tasks it may start in each round of the queue, `concurrency` how many may run at once
    (None: what the installation gives everybody).
    """

    __tablename__ = "workspaces"
    __table_args__ = (
        sa.CheckConstraint("credits_micros >= 0", name="workspaces_credits_not_negative"),
        sa.CheckConstraint("reserved_micros >= 0", name="workspaces_reserved_not_negative"),
        sa.CheckConstraint(
            "revenue_micros >= 0 AND provider_cost_micros >= 0", name="workspaces_revenue_and_cost_not_negative"
        ),
        sa.CheckConstraint(f"weight BETWEEN 1 AND {MAX_WEIGHT}", name="workspaces_weight_in_bounds"),
        sa.CheckConstraint(f"concurrency BETWEEN 1 AND {MAX_CONCURRENCY}", name="workspaces_concurrency_in_bounds"),
    )

    id: UUID = columns.uuid_key()
    name: str = columns.varchar(255)
    slug: str = columns.unique_varchar(100)
    owner_id: UUID = columns.reference("users.id")
    plan: str = columns.varchar(50)
    weight: int = Field(default=1, sa_type=sa.SmallInteger, sa_column_kwargs={"server_default": sa.text("1")})
    concurrency: int | None = Field(default=None, sa_type=sa.Integer, nullable=True)
    credits_micros: int = columns.micros()
    reserved_micros: int = columns.micros()
    revenue_micros: int = columns.micros()
    provider_cost_micros: int = columns.micros()
    promo_micros: int = columns.micros()
    clearing_micros: int = columns.micros()
    topped_up_micros: int = columns.micros()
    ledger_seq: int = Field(default=0, sa_type=sa.BigInteger, sa_column_kwargs={"server_default": sa.text("0")})
    credits: Decimal | None = Field(default=None, sa_column=columns.credits_of("credits_micros"))
    created_at: datetime = columns.timestamp()
