"""Who belongs to a workspace, and as what.

Changes take turns, so that of two owners who leave at once the second is the last. Only owners make owners, or change
and remove them. With the role goes what was made with it: keys of somebody who is not a member any more are revoked,
keys of somebody with a lesser role get that role, and open invitations that they could not send any more are canceled.
"""

from uuid import UUID

from sqlalchemy import RowMapping, case, delete, func, select, update

from app import ids
from app.errors import InvalidState, NotFound
from app.models import ApiKey, Invitation, Membership, Workspace
from app.principal import PERMISSIONS, Permission, Role
from app.services.account.step_up import require_step_up
from app.services.workspace.queries import MEMBER_COLUMNS, is_open
from app.services.workspace.turn import check_may_give, may_give, take_turn
from app.unit_of_work import UnitOfWork

_MEMBERSHIP = Membership.__table__  # type: ignore[attr-defined]
_WORKSPACE = Workspace.__table__  # type: ignore[attr-defined]
_API_KEY = ApiKey.__table__  # type: ignore[attr-defined]
_INVITATION = Invitation.__table__  # type: ignore[attr-defined]
# From the most to the least.
_RANK = {role: rank for rank, role in enumerate(PERMISSIONS)}


async def change_role(uow: UnitOfWork, public_id: str, role: Role) -> RowMapping:
    """The member as they are then. Raises Forbidden, NotFound, or InvalidState for the last owner."""
    uow.principal.require(Permission.MEMBER_MANAGE)
    await require_step_up(uow)
    caller = await take_turn(uow, Permission.MEMBER_MANAGE)
    member = await _member(uow, public_id)
    check_may_give(caller, Role(member["role"]), "userId")
    check_may_give(caller, role, "role")
    if role == member["role"]:
        return member
    if member["role"] == Role.OWNER:
        await _hand_over(uow, member["user_id"])
    uow.audit("member.role", public_id, {"from": member["role"], "to": role.value})
    return await _set_role(uow, member["user_id"], role)


async def remove_member(uow: UnitOfWork, public_id: str) -> None:
    """Raises Forbidden, NotFound, or InvalidState for the last owner."""
    uow.principal.require(Permission.MEMBER_MANAGE)
    await require_step_up(uow)
    caller = await take_turn(uow, Permission.MEMBER_MANAGE)
    member = await _member(uow, public_id)
    check_may_give(caller, Role(member["role"]), "userId")
    await _remove(uow, member)
    uow.audit("member.remove", public_id)


async def leave_workspace(uow: UnitOfWork) -> None:
    """Raises Forbidden for an API key, InvalidState for the last owner."""
    user_id = uow.principal.person.user_id
    await take_turn(uow, Permission.WORKSPACE_READ)
    public_id = ids.encode(ids.USER, user_id)
    await _remove(uow, await _member(uow, public_id))
    uow.audit("member.leave", public_id)


async def transfer_ownership(uow: UnitOfWork, public_id: str) -> RowMapping:
    """The member becomes the owner, and the caller an admin. Gives the workspace. Raises Forbidden or NotFound."""
    uow.principal.require(Permission.WORKSPACE_TRANSFER)
    await require_step_up(uow)
    caller_id = uow.principal.person.user_id
    await take_turn(uow, Permission.WORKSPACE_TRANSFER)
    heir = await _member(uow, public_id)
    if heir["user_id"] == caller_id:
        raise InvalidState("You own this workspace already.", ("userId",))
    await _set_role(uow, heir["user_id"], Role.OWNER)
    await _set_role(uow, caller_id, Role.ADMIN)
    uow.audit("workspace.transfer", public_id)
    mine = _WORKSPACE.c.id == uow.principal.workspace_id
    changed = update(_WORKSPACE).where(mine).values(owner_id=heir["user_id"]).returning(*_WORKSPACE.c)
    return (await uow.session.execute(changed)).mappings().one()


async def _member(uow: UnitOfWork, public_id: str) -> RowMapping:
    user_id = ids.decode(ids.USER, public_id)
    mine = (_MEMBERSHIP.c.user_id == user_id) & (_MEMBERSHIP.c.workspace_id == uow.principal.workspace_id)
    row = (await uow.session.execute(select(*MEMBER_COLUMNS).where(mine))).mappings().one_or_none()
    if row is None:
        raise NotFound("Member", public_id, ("userId",))
    return row


async def _set_role(uow: UnitOfWork, user_id: UUID, role: Role) -> RowMapping:
    mine = (_MEMBERSHIP.c.user_id == user_id) & (_MEMBERSHIP.c.workspace_id == uow.principal.workspace_id)
    changed = update(_MEMBERSHIP).where(mine).values(role=role).returning(*MEMBER_COLUMNS)
    row = (await uow.session.execute(changed)).mappings().one()
    above = [other for other in Role if _RANK[other] < _RANK[role]]
    await _change_keys(uow, user_id, role=case((_API_KEY.c.role.in_(above), role), else_=_API_KEY.c.role))
    await _cancel_invitations(uow, user_id, PERMISSIONS[role])
    uow.change_access()
    return row


async def _remove(uow: UnitOfWork, member: RowMapping) -> None:
    user_id, workspace_id = member["user_id"], uow.principal.workspace_id
    if member["role"] == Role.OWNER:
        await _hand_over(uow, user_id)
    mine = (_MEMBERSHIP.c.user_id == user_id) & (_MEMBERSHIP.c.workspace_id == workspace_id)
    await uow.session.execute(delete(_MEMBERSHIP).where(mine))
    await _change_keys(uow, user_id, revoked_at=func.coalesce(_API_KEY.c.revoked_at, uow.now))
    await _cancel_invitations(uow, user_id, frozenset())
    uow.change_access()


async def _change_keys(uow: UnitOfWork, creator_id: UUID, **values: object) -> None:
    theirs = (_API_KEY.c.creator_id == creator_id) & (_API_KEY.c.workspace_id == uow.principal.workspace_id)
    await uow.session.execute(update(_API_KEY).where(theirs).values(**values))


async def _cancel_invitations(uow: UnitOfWork, user_id: UUID, permissions: frozenset[Permission]) -> None:
    """Those that they could not send with these permissions: else they would let themselves in again."""
    stay = [role for role in Role if Permission.MEMBER_MANAGE in permissions and may_give(role, permissions)]
    theirs = (_INVITATION.c.invited_by == user_id) & (_INVITATION.c.workspace_id == uow.principal.workspace_id)
    canceled = update(_INVITATION).where(theirs & is_open() & _INVITATION.c.role.not_in(stay))
    await uow.session.execute(canceled.values(canceled_at=uow.now))


async def _hand_over(uow: UnitOfWork, user_id: UUID) -> None:
    """To the owner who has been there longest, from one who will not be one. Raises InvalidState for the last."""
    mine = _MEMBERSHIP.c.workspace_id == uow.principal.workspace_id
    others = mine & (_MEMBERSHIP.c.role == Role.OWNER) & (_MEMBERSHIP.c.user_id != user_id)
    oldest = select(_MEMBERSHIP.c.user_id).where(others).order_by(_MEMBERSHIP.c.created_at, _MEMBERSHIP.c.user_id)
    heir = (await uow.session.execute(oldest.limit(1))).scalar_one_or_none()
    if heir is None:
        raise InvalidState("A workspace needs an owner: transfer the ownership first.", ("userId",))
    theirs = (_WORKSPACE.c.id == uow.principal.workspace_id) & (_WORKSPACE.c.owner_id == user_id)
    await uow.session.execute(update(_WORKSPACE).where(theirs).values(owner_id=heir))
