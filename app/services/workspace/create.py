"""A new workspace, owned by whoever makes it."""

import re
import secrets
from dataclasses import replace

from sqlalchemy import RowMapping, insert, select, text

from app import ids
from app.errors import InvalidInput, LimitExceeded
from app.models import Membership, User, Workspace
from app.principal import Principal, Role
from app.services.workspace.plans import Plan
from app.unit_of_work import UnitOfWork, UnitOfWorkFactory

MAX_NAME_LENGTH = 200
# Each costs the lists of their people a look-up; whoever needs more than this is many people.
MAX_WORKSPACES = 100
_SLUG_LENGTH = 60
_USER = User.__table__  # type: ignore[attr-defined]
_WORKSPACE = Workspace.__table__  # type: ignore[attr-defined]
_COUNT = text("SELECT count(*) FROM auth_memberships(:user)")


async def create_workspace(unit_of_work: UnitOfWorkFactory, principal: Principal, name: str) -> RowMapping:
    """Its columns. Raises Forbidden for a caller that is no person, InvalidInput or LimitExceeded."""
    principal.require_person()
    checked = checked_name("name", name)
    founder = replace(principal, workspace_id=ids.new_id(), role=Role.OWNER)
    async with unit_of_work(founder) as uow:
        await check_room(uow)
        return await add_workspace(uow, checked)


async def add_workspace(uow: UnitOfWork, name: str) -> RowMapping:
    """The workspace that the unit of work is in, with its caller as the owner; the name has been checked."""
    user_id, workspace_id = uow.principal.require_person(), uow.principal.workspace_id
    values = {"id": workspace_id, "name": name, "slug": _slug(name), "owner_id": user_id, "plan": Plan.FREE}
    row = (await uow.session.execute(insert(_WORKSPACE).values(**values).returning(*_WORKSPACE.c))).mappings().one()
    await uow.session.execute(insert(Membership).values(workspace_id=workspace_id, user_id=user_id, role=Role.OWNER))
    return row


async def check_room(uow: UnitOfWork) -> None:
    """Whether the caller may belong to one workspace more. Takes turns with the caller's other requests."""
    mine = _USER.c.id == uow.principal.user_id
    await uow.session.execute(select(_USER.c.id).where(mine).with_for_update(key_share=True))
    wanted = (await uow.session.execute(_COUNT, {"user": uow.principal.user_id})).scalar_one() + 1
    if wanted > MAX_WORKSPACES:
        raise LimitExceeded(
            f"You would belong to {wanted} workspaces; the limit is {MAX_WORKSPACES}.",
            limit=MAX_WORKSPACES,
            actual=wanted,
        )


def checked_name(field: str, given: str) -> str:
    """Raises InvalidInput naming the field."""
    name = given.strip()
    if not 1 <= len(name) <= MAX_NAME_LENGTH or "\0" in name:
        raise InvalidInput(f"{field} has 1 to {MAX_NAME_LENGTH} characters, without NUL.", (field,))
    return name


def _slug(name: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_SLUG_LENGTH]
    return f"{words or 'workspace'}-{secrets.token_hex(4)}"
