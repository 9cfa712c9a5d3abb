"""Reads of a workspace's members and invitations: columns, as far as the caller's workspace shows them."""

from typing import Any

from sqlalchemy import ColumnElement, Select, and_, func, not_, select

from app.models import Invitation, Membership

_MEMBERSHIP = Membership.__table__  # type: ignore[attr-defined]
_INVITATION = Invitation.__table__  # type: ignore[attr-defined]
MEMBER_COLUMNS = _MEMBERSHIP.c
MEMBER_KEY = _MEMBERSHIP.c.user_id
INVITATION_COLUMNS = [column for column in _INVITATION.c if column.name not in ("email_index", "token_hash")]
INVITATION_KEY = _INVITATION.c.id


def members() -> Select[Any]:
    return select(*MEMBER_COLUMNS)


def invitations() -> Select[Any]:
    """Those that can still be accepted."""
    return select(*INVITATION_COLUMNS).where(is_open())


def is_open() -> ColumnElement[bool]:
    ended = _INVITATION.c.accepted_at.is_not(None) | _INVITATION.c.canceled_at.is_not(None)
    return and_(not_(ended), _INVITATION.c.expires_at > func.now())
