from datetime import datetime
from uuid import UUID

from sqlmodel import SQLModel

from app.models import columns


class User(SQLModel, table=True):
    """A person. `email` is kept in lower case; a user of another identity provider has no password."""

    __tablename__ = "users"

    id: UUID = columns.uuid_key()
    email: str = columns.unique_varchar(255)
    name: str = columns.varchar(200)
    password_hash: str | None = columns.optional_varchar(255)
    email_verified_at: datetime | None = columns.optional_timestamp()
    created_at: datetime = columns.timestamp()
