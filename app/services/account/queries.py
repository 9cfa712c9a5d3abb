"""Reads of users, workspaces and keys: columns, as far as the caller's workspace shows them."""

from collections.abc import Collection
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, Select, func, select, text

from app.db.reader import Reader
from app.models import ApiKey, RecoveryCode, Session, TotpFactor, User, Workspace
from app.principal import Person, Principal, Role

_MEMBERSHIPS = text("SELECT workspace_id, role FROM auth_memberships(:user)")

_USER = User.__table__  # type: ignore[attr-defined]
USER_COLUMNS = [
    column
    for column in User.__table__.c  # type: ignore[attr-defined]
    if column.name not in ("password_hash", "email_index")
]
WORKSPACE_COLUMNS = Workspace.__table__.c  # type: ignore[attr-defined]
API_KEY_COLUMNS = [
    column
    for column in ApiKey.__table__.c  # type: ignore[attr-defined]
    if column.name != "secret_hash"
]
API_KEY_ID = ApiKey.__table__.c.id  # type: ignore[attr-defined]
_FACTOR = TotpFactor.__table__  # type: ignore[attr-defined]
_CODE = RecoveryCode.__table__  # type: ignore[attr-defined]
_SESSION = Session.__table__  # type: ignore[attr-defined]


def users_by_ids(users: Collection[UUID]) -> Select[Any]:
    """With sealed columns, which `people.opened` opens."""
    return select(*USER_COLUMNS).where(User.id.in_(users))  # type: ignore[attr-defined]


def user_ids_by_logins(logins: Collection[bytes]) -> Select[Any]:
    statement: Select[Any] = select(_USER.c.id).where(_USER.c.email_index.in_(logins))
    return statement


def workspace() -> Select[Any]:
    """The caller's: row-level security shows no other."""
    return select(*WORKSPACE_COLUMNS)


def api_keys_by_ids(keys: Collection[UUID]) -> Select[Any]:
    return select(*API_KEY_COLUMNS).where(ApiKey.id.in_(keys))  # type: ignore[attr-defined]


def api_keys() -> Select[Any]:
    """The workspace's, revoked ones as well."""
    return select(*API_KEY_COLUMNS)


def second_factor(person: Person) -> Select[Any]:
    """The caller's, as it is asked for: `confirmed_at`, `codes_left`, and `mfa_at` of the calling session."""
    factor, code, session = _FACTOR.c, _CODE.c, _SESSION.c
    left = select(func.count()).where((code.user_id == person.user_id) & code.used_at.is_(None))
    shown = select(session.mfa_at).where(session.id == person.session_id)
    columns = (factor.confirmed_at, left.scalar_subquery().label("codes_left"), shown.scalar_subquery().label("mfa_at"))
    return select(*columns).where((factor.user_id == person.user_id) & factor.confirmed_at.is_not(None))


async def workspaces_of(reader: Reader, user_id: UUID) -> list[RowMapping]:
    """Every workspace of the user, who is the reader's caller, oldest membership first: each read as its member."""
    members = await reader.rows(_MEMBERSHIPS.bindparams(user=user_id))
    found = [await reader.row(workspace(), within=member_of(row["workspace_id"], user_id)) for row in members]
    return [row for row in found if row is not None]


def member_of(workspace_id: UUID, user_id: UUID) -> Principal:
    """To read as: a workspace is seen by its members only."""
    return Principal(workspace_id=workspace_id, role=Role.VIEWER, user_id=user_id)
