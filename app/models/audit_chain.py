from uuid import UUID

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns


class AuditChain(SQLModel, table=True):
    """The end of a workspace's audit log: its last entry's number and hash. Locked while an entry is added.

    Nobody's: only functions of the tables' owner reach it.
    """

    __tablename__ = "audit_chains"

    workspace_id: UUID = columns.uuid_of(primary_key=True)
    seq: int = Field(sa_type=sa.BigInteger)
    hash: bytes = Field(sa_type=sa.LargeBinary)
