from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class MfaChallenge(SQLModel, table=True):
    """Half a sign-in: the password was right, the code is still to come. Deleted when it is completed.

    `password_digest` is the SHA-256 of the password hash that it is bound to, `origin` as in Session.
    """

    __tablename__ = "mfa_challenges"
    __table_args__ = (sa.Index("idx_mfa_challenges_expiry", "expires_at"),)

    challenge_hash: bytes = Field(sa_type=sa.LargeBinary, primary_key=True)
    user_id: UUID = columns.reference("users.id", index=True)
    password_digest: bytes | None = Field(default=None, sa_type=sa.LargeBinary, nullable=True)
    origin: bytes | None = Field(default=None, sa_type=sa.LargeBinary, nullable=True)
    expires_at: datetime = Field(sa_type=sa.DateTime(timezone=True))
