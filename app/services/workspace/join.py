"""From an invitation's token to a membership."""

from dataclasses import dataclass, replace
from datetime import datetime
from uuid import UUID

from sqlalchemy import delete, text
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.vault import Vault
from app.errors import Conflict, Forbidden, NotFound
from app.models import Membership
from app.principal import Principal, Role
from app.services.workspace import addresses, membership
from app.services.workspace.create import check_room
from app.services.workspace.invitations import EMAIL, INVITATION, hash_of
from app.unit_of_work import UnitOfWork, UnitOfWorkFactory

_FIND = text("SELECT * FROM auth_invitation(:token)")


class InvitationGone(NotFound):
    """Without the token, which may still open a door somewhere."""

    def __init__(self, field: str = "token") -> None:
        super().__init__("Invitation", "", (field,))
        self.message = "There is no such invitation: used, canceled, replaced or expired. Ask for another."
        self.args = (self.message,)


@dataclass(frozen=True, slots=True)
class OpenInvitation:
    """What whoever holds its token may see."""

    id: UUID
    workspace_id: UUID
    workspace_name: str
    role: Role
    email: str
    expires_at: datetime


async def find_invitation(engine: AsyncEngine, vault: Vault, token: str, field: str = "token") -> OpenInvitation:
    """Raises InvitationGone, naming the field that the token was in."""
    async with engine.connect() as connection:
        row = (await connection.execute(_FIND, {"token": hash_of(token)})).mappings().one_or_none()
    if row is None:
        raise InvitationGone(field)
    known = {**row, "role": Role(row["role"]), "email": vault.open(EMAIL, row["id"], row["email"])}
    return OpenInvitation(**known)


async def accept_invitation(
    engine: AsyncEngine, unit_of_work: UnitOfWorkFactory, vault: Vault, principal: Principal, token: str
) -> UUID:
    """The id of the workspace that the caller belongs to now.

    Raises Forbidden for a caller that is no person or has another address, InvitationGone, Conflict or LimitExceeded.
    """
    principal.require_person()
    invitation = await find_invitation(engine, vault, token)
    async with unit_of_work(joining(principal, invitation)) as uow:
        await check_room(uow)
        await join(uow, invitation, await addresses.address_of_caller(uow))
    return invitation.workspace_id


def joining(principal: Principal, invitation: OpenInvitation) -> Principal:
    """The person in the workspace that they are invited to."""
    return replace(principal, workspace_id=invitation.workspace_id, role=invitation.role)


async def join(uow: UnitOfWork, invitation: OpenInvitation, address: str, field: str = "token") -> None:
    """Use the invitation up, for the caller of the unit of work, whose e-mail address this is.

    Raises Forbidden for another address, InvitationGone where somebody was faster, or Conflict for a member.
    """
    if not addresses.same_address(address, invitation.email):
        raise Forbidden("The invitation is for another e-mail address than yours.", (field,))
    user_id = uow.principal.require_person()
    await membership.hold(uow)
    used = delete(INVITATION).where(INVITATION.c.id == invitation.id).returning(INVITATION.c.id)
    if (await uow.session.execute(used)).first() is None:
        raise InvitationGone(field)
    # One that was being made when they were removed the last time.
    await membership.revoke_keys_of(uow, user_id)
    values = {"workspace_id": invitation.workspace_id, "user_id": user_id, "role": invitation.role}
    added = pg.insert(Membership).values(values).on_conflict_do_nothing().returning(Membership.user_id)  # type: ignore[call-overload]
    if (await uow.session.execute(added)).first() is None:
        raise Conflict("You are a member of this workspace already.", (field,))
    uow.change_access()
