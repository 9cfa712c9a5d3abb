"""Whose e-mail address is whose: the only place that compares those of invitations with those of users."""

from sqlalchemy import select

from app.models import Membership, User
from app.unit_of_work import UnitOfWork

_USER = User.__table__  # type: ignore[attr-defined]
_MEMBERSHIP = Membership.__table__  # type: ignore[attr-defined]


def same_address(one: str, other: str) -> bool:
    """Both as `normalized_email` gives them."""
    return one == other


async def address_of_caller(uow: UnitOfWork) -> str:
    """Of a person, who sees their own row whatever the workspace is."""
    mine = _USER.c.id == uow.principal.user_id
    address: str = (await uow.session.execute(select(_USER.c.email).where(mine))).scalar_one()
    return address


async def is_member(uow: UnitOfWork, address: str) -> bool:
    """Whether somebody with this address belongs to the workspace of the unit of work."""
    here = (_MEMBERSHIP.c.workspace_id == uow.principal.workspace_id) & (_MEMBERSHIP.c.user_id == _USER.c.id)
    found = select(_USER.c.id).join(_MEMBERSHIP, here).where(_USER.c.email == address)
    return (await uow.session.execute(found)).first() is not None
