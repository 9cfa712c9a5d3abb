from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class SignInFailure(SQLModel, table=True):
    """How often in a row a sign-in failed. `key` is a hash of who, from where, or both (services/account/lockout.py).

    Nobody's and everybody's: only functions of the tables' owner reach it.
    """

    __tablename__ = "sign_in_failures"
    __table_args__ = (sa.Index("idx_sign_in_failures_age", "failed_at"),)

    key: bytes = Field(sa_type=sa.LargeBinary, primary_key=True)
    failures: int = Field(sa_type=sa.Integer)
    failed_at: datetime = columns.timestamp()
    locked_until: datetime | None = columns.optional_timestamp()
