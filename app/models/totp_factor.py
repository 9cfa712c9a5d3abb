from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class TotpFactor(SQLModel, table=True):
    """A user's authenticator app. Asked for from `confirmed_at` on.

    `last_step` is the time step of the last code that was accepted; none up to it
    is accepted again. `failures` are the wrong codes in a row, `failed_at` the last of them.
    """

    __tablename__ = "totp_factors"

    user_id: UUID = columns.reference("users.id", primary_key=True)
    secret: bytes = columns.sealed()
    created_at: datetime = columns.timestamp()
    confirmed_at: datetime | None = columns.optional_timestamp()
    last_step: int | None = Field(default=None, sa_type=sa.BigInteger, nullable=True)
    failures: int = columns.integer(0)
    failed_at: datetime | None = columns.optional_timestamp()
    locked_until: datetime | None = columns.optional_timestamp()
