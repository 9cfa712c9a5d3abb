from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class MailToken(SQLModel, table=True):
    """The token of the newest mail of one purpose to one address, and how many were asked for in the last hour.

    `key` says to whom: a user's id, or a blind index of an address that nobody has, which has no `user_id`.
    `token_hash` is null once it was used. Nobody's and everybody's: only functions of the tables' owner reach it.
    """

    __tablename__ = "mail_tokens"
    __table_args__ = (sa.Index("idx_mail_tokens_age", "expires_at"),)

    purpose: str = Field(sa_type=sa.String(20), primary_key=True)
    key: bytes = Field(sa_type=sa.LargeBinary, primary_key=True)
    user_id: UUID | None = columns.optional_reference("users.id")
    token_hash: bytes | None = Field(default=None, sa_type=sa.LargeBinary, nullable=True, unique=True)
    expires_at: datetime = Field(sa_type=sa.DateTime(timezone=True))
    asked: int = Field(sa_type=sa.Integer)
    asked_since: datetime = Field(sa_type=sa.DateTime(timezone=True))
