from datetime import datetime
from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class ExternalIdentity(SQLModel, table=True):
    """A person as another identity provider knows them. `identity` is the SHA-256 of issuer and subject.

    The subject itself is not kept: with some providers it is an e-mail address.
    """

    __tablename__ = "external_identities"

    identity: bytes = Field(sa_type=sa.LargeBinary, primary_key=True)
    user_id: UUID = columns.reference("users.id", index=True)
    issuer: str = columns.varchar(500)
    created_at: datetime = columns.timestamp()
