"""Workspaces: made with their first owner, and renamed."""

import re
import secrets
from uuid import UUID

from sqlalchemy import RowMapping, insert, select, text, update

from app import ids
from app.errors import InvalidInput, LimitExceeded
from app.models import Membership, User, Workspace
from app.principal import Permission, Person, Principal, Role
from app.unit_of_work import UnitOfWork

MAX_NAME_LENGTH = 200
FIRST_PLAN = "FREE"
# Whoever lists their workspaces looks into each; who needs more than this is many people.
MAX_WORKSPACES = 100
_SLUG_LENGTH = 60
_COUNT = text("SELECT count(*) FROM auth_memberships(:user)")
_USER = User.__table__  # type: ignore[attr-defined]
_WORKSPACE = Workspace.__table__  # type: ignore[attr-defined]


def founder(person: Person) -> Principal:
    """The person as the owner of a workspace that is to be made."""
    return Principal(ids.new_id(), Role.OWNER, person.user_id, None, None, person.expires_at, person.session_id)


async def create_workspace(uow: UnitOfWork, name: str, plan: str = FIRST_PLAN) -> RowMapping:
    """The one that the unit of work acts in, with the caller as its owner. Raises InvalidInput or LimitExceeded."""
    owner_id = uow.principal.person.user_id
    name = checked_name(name)
    await check_room(uow)
    values = {"id": uow.principal.workspace_id, "name": name, "slug": _slug(name), "owner_id": owner_id}
    statement = insert(Workspace).values(**values, plan=plan).returning(*_WORKSPACE.c)
    row = (await uow.session.execute(statement)).mappings().one()
    await add_member(uow, owner_id, Role.OWNER)
    uow.audit("workspace.create", ids.encode(ids.WORKSPACE, row["id"]))
    return row


async def check_room(uow: UnitOfWork) -> None:
    """For the caller in one workspace more. Takes turns with the caller's other requests. Raises LimitExceeded."""
    user_id = uow.principal.person.user_id
    await uow.session.execute(select(_USER.c.id).where(_USER.c.id == user_id).with_for_update(key_share=True))
    wanted = (await uow.session.execute(_COUNT, {"user": user_id})).scalar_one() + 1
    if wanted > MAX_WORKSPACES:
        message = f"You would belong to {wanted} workspaces; the limit is {MAX_WORKSPACES}."
        raise LimitExceeded(message, limit=MAX_WORKSPACES, actual=wanted)


async def add_member(uow: UnitOfWork, user_id: UUID, role: Role) -> None:
    """To the workspace that the unit of work acts in."""
    member = {"workspace_id": uow.principal.workspace_id, "user_id": user_id, "role": role}
    await uow.session.execute(insert(Membership).values(**member))


async def rename_workspace(uow: UnitOfWork, name: str) -> RowMapping:
    """Its slug stays, as addresses are made of it. Raises Forbidden or InvalidInput."""
    uow.principal.require(Permission.WORKSPACE_UPDATE)
    mine = _WORKSPACE.c.id == uow.principal.workspace_id
    statement = update(_WORKSPACE).where(mine).values(name=checked_name(name)).returning(*_WORKSPACE.c)
    row = (await uow.session.execute(statement)).mappings().one()
    uow.audit("workspace.update", ids.encode(ids.WORKSPACE, row["id"]), {"name": row["name"]})
    return row


def checked_name(text: str, field: str = "name") -> str:
    name = text.strip()
    if not 1 <= len(name) <= MAX_NAME_LENGTH or "\0" in name:
        raise InvalidInput(f"{field} has 1 to {MAX_NAME_LENGTH} characters.", (field,))
    return name


def _slug(name: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_SLUG_LENGTH]
    return f"{words or 'workspace'}-{secrets.token_hex(4)}"
