"""Reads of a workspace's own connections to providers: everything but the keys."""

from typing import Any

from sqlalchemy import Select, select

from app.models import ProviderConnection

TABLE = ProviderConnection.__table__  # type: ignore[attr-defined]
COLUMNS = tuple(column for column in TABLE.c if column.name != "api_key")


def connections() -> Select[Any]:
    """Of the present workspace, the oldest first."""
    return select(*COLUMNS).order_by(TABLE.c.id)


def by_name(name: str) -> Select[Any]:
    return select(TABLE.c.id).where(TABLE.c.name == name)
