"""Trusted documents as whoever operates the installation keeps them. Works as the tables' owner."""

import hashlib
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from sqlalchemy import delete, func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.ext.asyncio import AsyncEngine

from app.models import TrustedDocument

_DOCUMENT = TrustedDocument.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Document:
    """`name` is for people: those of its operations."""

    text: str
    name: str

    @property
    def digest(self) -> bytes:
        """SHA-256 of the text in UTF-8, by which it is asked for."""
        return hashlib.sha256(self.text.encode()).digest()


@dataclass(frozen=True, slots=True)
class Stored:
    """`size` is the document's length in UTF-8, in bytes."""

    digest: bytes
    name: str
    size: int
    added_at: datetime


async def add_documents(engine: AsyncEngine, documents: Collection[Document]) -> set[bytes]:
    """All of them or, where something is wrong, none. Gives the hashes of those that were not there before."""
    rows = [{"hash": each.digest, "document": each.text, "name": each.name} for each in documents]
    statement: Any = insert(_DOCUMENT).on_conflict_do_nothing().returning(_DOCUMENT.c.hash)
    async with engine.begin() as connection:
        return set((await connection.execute(statement.values(rows))).scalars()) if rows else set()


async def list_documents(engine: AsyncEngine) -> Sequence[Stored]:
    """By name; those of the same name in the order in which they were added."""
    columns = _DOCUMENT.c
    statement = select(
        columns.hash.label("digest"),
        columns.name,
        func.octet_length(columns.document).label("size"),
        columns.added_at,
    ).order_by(columns.name, columns.added_at, columns.hash)
    async with engine.connect() as connection:
        return [Stored(**row) for row in (await connection.execute(statement)).mappings()]


async def remove_documents(engine: AsyncEngine, digests: Collection[bytes]) -> set[bytes]:
    """Gives the hashes that were not there: then nothing was removed."""
    async with engine.begin() as connection:
        statement = delete(_DOCUMENT).where(_DOCUMENT.c.hash.in_(digests)).returning(_DOCUMENT.c.hash)
        removed = set((await connection.execute(statement)).scalars())
        missing = set(digests) - removed
        if missing:
            await connection.rollback()
    return missing
