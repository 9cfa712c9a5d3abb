from datetime import datetime

import sqlalchemy as sa
from sqlmodel import Field, SQLModel

from app.models import columns

# As long as one frame of a WebSocket.
MAX_DOCUMENT_BYTES = 65_536
MAX_NAME = 200


class TrustedDocument(SQLModel, table=True):
    """A GraphQL document that clients may ask for by its hash, which is the SHA-256 of its UTF-8 text.

    The installation's, not a workspace's: whoever operates it adds and removes them, and the service only asks a
    function of the tables' owner for one whose hash it was given.
    """

    __tablename__ = "trusted_documents"

    hash: bytes = Field(sa_type=sa.LargeBinary, primary_key=True)
    document: str = Field(sa_type=sa.Text)
    name: str = columns.varchar(MAX_NAME)
    added_at: datetime = columns.timestamp()
