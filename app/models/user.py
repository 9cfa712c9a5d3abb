from datetime import datetime
from uuid import UUID

from sqlmodel import SQLModel

from app.models import columns


class User(SQLModel, table=True):
    """A person. Who it is, is sealed (app/db/vault.py); `email_index` is what the address in lower case is found by.

    A user of another identity provider has no password.
    """

    __tablename__ = "users"

    id: UUID = columns.uuid_key()
    email: bytes = columns.sealed()
    email_index: bytes = columns.blind_index()
    name: bytes = columns.sealed()
    password_hash: str | None = columns.optional_varchar(255)
    email_verified_at: datetime | None = columns.optional_timestamp()
    created_at: datetime = columns.timestamp()
