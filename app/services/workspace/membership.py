"""Who belongs to a workspace, as changes see it: one change at a time, and never without an owner."""

from collections.abc import Collection
from dataclasses import replace
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, and_, delete, select, update

from app import ids
from app.errors import Forbidden, InvalidState, NotFound
from app.models import ApiKey, Invitation, Membership, Workspace
from app.principal import PERMISSIONS, Permission, Principal, Role
from app.unit_of_work import UnitOfWork

MEMBERSHIP = Membership.__table__  # type: ignore[attr-defined]
_WORKSPACE = Workspace.__table__  # type: ignore[attr-defined]
_API_KEY = ApiKey.__table__  # type: ignore[attr-defined]
_INVITATION = Invitation.__table__  # type: ignore[attr-defined]


async def take_turn(uow: UnitOfWork) -> Principal:
    """Hold the workspace's members until the unit of work ends; the caller with the role that they have now.

    Whoever waited here sees what was changed before them. Raises Forbidden for a person who has been removed.
    """
    await hold(uow)
    principal = uow.principal
    if principal.user_id is None:
        return principal
    role = await role_of(uow, principal.user_id)
    if role is None:
        raise Forbidden("You are not a member of this workspace.")
    return replace(principal, role=role)


async def hold(uow: UnitOfWork) -> None:
    """Let no other change of the workspace's members happen until the unit of work ends."""
    mine = _WORKSPACE.c.id == uow.principal.workspace_id
    await uow.session.execute(select(_WORKSPACE.c.id).where(mine).with_for_update(key_share=True))


async def role_of(uow: UnitOfWork, user_id: UUID) -> Role | None:
    """None where they are no member."""
    role = (await uow.session.execute(select(MEMBERSHIP.c.role).where(_of(uow, user_id)))).scalar_one_or_none()
    return Role(role) if role is not None else None


async def member_by_id(uow: UnitOfWork, public_id: str) -> tuple[UUID, Role]:
    """A member's user id and role. Raises NotFound."""
    user_id = ids.decode(ids.USER, public_id)
    role = await role_of(uow, user_id) if user_id is not None else None
    if user_id is None or role is None:
        raise NotFound("Member", public_id, ("userId",))
    return user_id, role


def may_give(role: Role, permissions: Collection[Permission]) -> bool:
    """Beyond what every member may do, nobody gives or takes what they lack themselves."""
    return PERMISSIONS[role] - PERMISSIONS[Role.MEMBER] <= frozenset(permissions)


def check_may_give(principal: Principal, role: Role, path: tuple[str, ...] = ()) -> None:
    """Raises Forbidden."""
    if not may_give(role, principal.permissions):
        lacking = sorted(PERMISSIONS[role] - PERMISSIONS[Role.MEMBER] - principal.permissions)
        raise Forbidden(f"The role {role} has permissions that you lack: {', '.join(lacking)}.", path)


async def set_role(uow: UnitOfWork, user_id: UUID, role: Role) -> RowMapping:
    """Of a member; for whoever has taken their turn. Raises InvalidState where no owner would be left."""
    statement = update(MEMBERSHIP).where(_of(uow, user_id)).values(role=role).returning(*MEMBERSHIP.c)
    row = (await uow.session.execute(statement)).mappings().one()
    await _keep_an_owner(uow)
    await _take_back_invitations(uow, user_id, role)
    uow.change_access()
    return row


async def end_membership(uow: UnitOfWork, user_id: UUID) -> None:
    """With it end the API keys that they made here and the invitations that they sent.

    For whoever has taken their turn. Raises InvalidState where no owner would be left.
    """
    await uow.session.execute(delete(MEMBERSHIP).where(_of(uow, user_id)))
    await _keep_an_owner(uow)
    await revoke_keys_of(uow, user_id)
    await _take_back_invitations(uow, user_id, None)
    uow.change_access()


async def revoke_keys_of(uow: UnitOfWork, user_id: UUID) -> None:
    """All API keys that they made in this workspace."""
    theirs = (_API_KEY.c.workspace_id == uow.principal.workspace_id) & (_API_KEY.c.creator_id == user_id)
    statement = update(_API_KEY).where(theirs, _API_KEY.c.revoked_at.is_(None)).values(revoked_at=uow.now)
    await uow.session.execute(statement)


async def _keep_an_owner(uow: UnitOfWork) -> None:
    """The workspace's owner stays while they are one; else it is whoever has been an owner's colleague for longest."""
    mine = _WORKSPACE.c.id == uow.principal.workspace_id
    owners = select(MEMBERSHIP.c.user_id).where(
        MEMBERSHIP.c.workspace_id == uow.principal.workspace_id, MEMBERSHIP.c.role == Role.OWNER
    )
    present = select(_WORKSPACE.c.owner_id).where(mine).scalar_subquery()
    ordered = owners.order_by(MEMBERSHIP.c.user_id != present, MEMBERSHIP.c.created_at, MEMBERSHIP.c.user_id)
    owner = (await uow.session.execute(ordered.limit(1))).scalar_one_or_none()
    if owner is None:
        raise InvalidState("A workspace keeps an owner: make somebody else one first, with transferOwnership.")
    await uow.session.execute(update(_WORKSPACE).where(mine, _WORKSPACE.c.owner_id != owner).values(owner_id=owner))


async def _take_back_invitations(uow: UnitOfWork, user_id: UUID, role: Role | None) -> None:
    """Those that they could not send any more, now that this is their role: else they would let themselves in again."""
    permissions = PERMISSIONS[role] if role is not None else frozenset()
    stay = [each for each in Role if Permission.MEMBER_MANAGE in permissions and may_give(each, permissions)]
    theirs = (_INVITATION.c.workspace_id == uow.principal.workspace_id) & (_INVITATION.c.inviter_id == user_id)
    await uow.session.execute(delete(_INVITATION).where(theirs, _INVITATION.c.role.not_in(stay)))


def _of(uow: UnitOfWork, user_id: UUID) -> ColumnElement[bool]:
    return and_(MEMBERSHIP.c.workspace_id == uow.principal.workspace_id, MEMBERSHIP.c.user_id == user_id)
