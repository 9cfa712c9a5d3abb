"""What happens to members: another role, removal, leaving, handing the workspace over.

Changes of one workspace take turns, and each looks at the caller's role again when its turn has come: of two owners who
leave or remove each other at the same time one succeeds.
"""

from typing import Any

from sqlalchemy import RowMapping, Select, select, update

from app.errors import InvalidInput
from app.models import Workspace
from app.principal import Permission, Role
from app.services.workspace import membership
from app.services.workspace.membership import MEMBERSHIP
from app.unit_of_work import UnitOfWork

_WORKSPACE = Workspace.__table__  # type: ignore[attr-defined]
MEMBER_ID = MEMBERSHIP.c.user_id


def members() -> Select[Any]:
    """Of the caller's workspace: row-level security shows no other."""
    return select(*MEMBERSHIP.c)


async def change_member_role(uow: UnitOfWork, user_id: str, role: Role) -> RowMapping:
    """The membership's columns. Raises Forbidden, NotFound, or InvalidState for the last owner."""
    uow.principal.require(Permission.MEMBER_MANAGE)
    caller = await membership.take_turn(uow)
    caller.require(Permission.MEMBER_MANAGE)
    member, present = await membership.member_by_id(uow, user_id)
    membership.check_may_give(caller, present, ("userId",))
    membership.check_may_give(caller, role, ("role",))
    return await membership.set_role(uow, member, role)


async def remove_member(uow: UnitOfWork, user_id: str) -> None:
    """Raises Forbidden, NotFound, or InvalidState for the last owner."""
    uow.principal.require(Permission.MEMBER_MANAGE)
    caller = await membership.take_turn(uow)
    caller.require(Permission.MEMBER_MANAGE)
    member, present = await membership.member_by_id(uow, user_id)
    membership.check_may_give(caller, present, ("userId",))
    await membership.end_membership(uow, member)


async def leave_workspace(uow: UnitOfWork) -> None:
    """Raises Forbidden for a caller that is no member, InvalidState for the last owner."""
    uow.principal.require(Permission.WORKSPACE_READ)
    caller = await membership.take_turn(uow)
    await membership.end_membership(uow, caller.require_person())


async def transfer_ownership(uow: UnitOfWork, user_id: str) -> RowMapping:
    """The member becomes the owner, the caller an admin. The workspace's columns.

    Raises Forbidden, NotFound, or InvalidInput for the caller themselves.
    """
    uow.principal.require(Permission.WORKSPACE_TRANSFER)
    caller = await membership.take_turn(uow)
    caller.require(Permission.WORKSPACE_TRANSFER)
    member, _ = await membership.member_by_id(uow, user_id)
    if member == caller.require_person():
        raise InvalidInput("You are an owner of this workspace already; name another member.", ("userId",))
    await membership.set_role(uow, member, Role.OWNER)
    await membership.set_role(uow, caller.require_person(), Role.ADMIN)
    mine = _WORKSPACE.c.id == uow.principal.workspace_id
    statement = update(_WORKSPACE).where(mine).values(owner_id=member).returning(*_WORKSPACE.c)
    return (await uow.session.execute(statement)).mappings().one()
