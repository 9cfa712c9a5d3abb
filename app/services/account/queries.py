"""Reads of users, workspaces and keys: columns, as far as the caller's workspace shows them."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, Select, select, text

from app.db.reader import Reader
from app.models import ApiKey, User, Workspace
from app.principal import Principal, Role

_MEMBERSHIPS = text("SELECT workspace_id, role FROM auth_memberships(:user)")

USER_COLUMNS = [
    column
    for column in User.__table__.c  # type: ignore[attr-defined]
    if column.name != "password_hash"
]
WORKSPACE_COLUMNS = Workspace.__table__.c  # type: ignore[attr-defined]
API_KEY_COLUMNS = [
    column
    for column in ApiKey.__table__.c  # type: ignore[attr-defined]
    if column.name != "secret_hash"
]
API_KEY_ID = ApiKey.__table__.c.id  # type: ignore[attr-defined]


def users_by_ids(users: Collection[UUID]) -> Select[Any]:
    return select(*USER_COLUMNS).where(User.id.in_(users))  # type: ignore[attr-defined]


def workspace() -> Select[Any]:
    """The caller's: row-level security shows no other."""
    return select(*WORKSPACE_COLUMNS)


def api_keys_by_ids(keys: Collection[UUID]) -> Select[Any]:
    return select(*API_KEY_COLUMNS).where(ApiKey.id.in_(keys))  # type: ignore[attr-defined]


def api_keys() -> Select[Any]:
    """The workspace's, revoked ones as well."""
    return select(*API_KEY_COLUMNS)


async def workspaces_of(reader: Reader, user_id: UUID) -> list[RowMapping]:
    """Every workspace that the user, who is the reader's caller, belongs to: oldest membership first."""
    members = await reader.rows(_MEMBERSHIPS.bindparams(user=user_id))
    found = [await reader.row(workspace(), within=_member(user_id, member)) for member in members]
    return [row for row in found if row is not None]


async def workspace_of(reader: Reader, user_id: UUID, workspace_id: UUID) -> RowMapping | None:
    """One of them; None where they are no member of it."""
    for member in await reader.rows(_MEMBERSHIPS.bindparams(user=user_id)):
        if member["workspace_id"] == workspace_id:
            return await reader.row(workspace(), within=_member(user_id, member))
    return None


async def owner_of(reader: Reader, user_id: UUID, row: RowMapping) -> RowMapping | None:
    """The owner of a workspace that the user, who is the reader's caller, belongs to."""
    within = Principal(workspace_id=row["id"], role=Role.VIEWER, user_id=user_id)
    return await reader.row(users_by_ids({row["owner_id"]}), within=within)


def _member(user_id: UUID, membership: RowMapping) -> Principal:
    """To read as: each workspace is seen by its members only."""
    return Principal(workspace_id=membership["workspace_id"], role=Role(membership["role"]), user_id=user_id)
