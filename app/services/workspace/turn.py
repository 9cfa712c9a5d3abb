"""Changes of who may do what in a workspace take turns, and each looks at its caller again when its turn has come.

What an authenticator knows of a caller may be a second old. For most of what they do that is soon enough; for what
outlives them it is not: whoever has just been removed would make a key, or invite themselves.
"""

from dataclasses import replace
from uuid import UUID

from sqlalchemy import select

from app.errors import Forbidden
from app.models import ApiKey, Membership, Workspace
from app.principal import PERMISSIONS, Permission, Principal, Role
from app.unit_of_work import UnitOfWork

_WORKSPACE = Workspace.__table__  # type: ignore[attr-defined]
_MEMBERSHIP = Membership.__table__  # type: ignore[attr-defined]
_API_KEY = ApiKey.__table__  # type: ignore[attr-defined]


async def take_turn(uow: UnitOfWork, permission: Permission) -> Principal:
    """The caller with the role that they have now. Until the unit of work ends nobody else has a turn.

    Raises Forbidden for who is no member any more, or may not do it any more.
    """
    mine = _WORKSPACE.c.id == uow.principal.workspace_id
    # Not of the key, so that tasks can be created meanwhile: their foreign key locks that.
    await uow.session.execute(select(_WORKSPACE.c.id).where(mine).with_for_update(key_share=True))
    caller = replace(uow.principal, role=await _role(uow))
    caller.require(permission)
    return caller


async def person_behind(uow: UnitOfWork) -> UUID:
    """The caller, or who made the API key that calls."""
    if uow.principal.user_id is not None:
        return uow.principal.user_id
    creator = select(_API_KEY.c.creator_id).where(_API_KEY.c.id == uow.principal.api_key_id)
    found: UUID = (await uow.session.execute(creator)).scalar_one()
    return found


def may_give(role: Role, permissions: frozenset[Permission]) -> bool:
    """Beyond what every member may do, nobody gives or takes what they lack themselves."""
    return PERMISSIONS[role] - PERMISSIONS[Role.MEMBER] <= permissions


def check_may_give(caller: Principal, role: Role, field: str) -> None:
    """Raises Forbidden. An API key that may only manage members cannot make an admin, who may more than it."""
    if not may_give(role, caller.permissions):
        lacking = sorted(PERMISSIONS[role] - PERMISSIONS[Role.MEMBER] - caller.permissions)
        raise Forbidden(f"The role {role} has permissions that you lack: {', '.join(lacking)}.", (field,))


async def _role(uow: UnitOfWork) -> Role:
    here = uow.principal.workspace_id
    if uow.principal.user_id is not None:
        mine = (_MEMBERSHIP.c.user_id == uow.principal.user_id) & (_MEMBERSHIP.c.workspace_id == here)
        statement = select(_MEMBERSHIP.c.role).where(mine)
    else:
        mine = (_API_KEY.c.id == uow.principal.api_key_id) & (_API_KEY.c.workspace_id == here)
        statement = select(_API_KEY.c.role).where(mine & _API_KEY.c.revoked_at.is_(None))
    role = (await uow.session.execute(statement)).scalar_one_or_none()
    if role is None:
        raise Forbidden("You are not a member of this workspace any more.")
    return Role(role)
