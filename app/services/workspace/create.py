"""Workspaces: made with their first owner, and renamed."""

import re
import secrets
from uuid import UUID

from sqlalchemy import RowMapping, insert, update

from app import ids
from app.errors import InvalidInput
from app.models import Membership, Workspace
from app.principal import Permission, Person, Principal, Role
from app.unit_of_work import UnitOfWork

MAX_NAME_LENGTH = 200
FIRST_PLAN = "FREE"
_SLUG_LENGTH = 60
_WORKSPACE = Workspace.__table__  # type: ignore[attr-defined]


def founder(person: Person) -> Principal:
    """The person as the owner of a workspace that is to be made."""
    return Principal(ids.new_id(), Role.OWNER, person.user_id, None, None, person.expires_at, person.session_id)


async def create_workspace(uow: UnitOfWork, name: str, plan: str = FIRST_PLAN) -> RowMapping:
    """The one that the unit of work acts in, with the caller as its owner. Raises InvalidInput."""
    owner_id = uow.principal.person.user_id
    name = checked_name(name)
    values = {"id": uow.principal.workspace_id, "name": name, "slug": _slug(name), "owner_id": owner_id}
    statement = insert(Workspace).values(**values, plan=plan).returning(*_WORKSPACE.c)
    row = (await uow.session.execute(statement)).mappings().one()
    await add_member(uow, owner_id, Role.OWNER)
    uow.audit("workspace.create", ids.encode(ids.WORKSPACE, row["id"]))
    return row


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
