"""Who comes through a workspace's identity provider: a user and a member from the first time on."""

from uuid import UUID

from sqlalchemy import Table, literal, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app import ids
from app.db.vault import Vault
from app.models import FormerMember, Membership
from app.principal import Principal, Role
from app.services.account import external_identities, people
from app.services.account.external_identities import ExternalPerson
from app.services.account.verification import mark_verified
from app.services.sso.connections import Connection
from app.services.sso.refusal import Reason, SsoRefused
from app.services.workspace.create import add_member
from app.unit_of_work import UnitOfWork, UnitOfWorkFactory

_MEMBER = Membership.__table__  # type: ignore[attr-defined]
_FORMER = FormerMember.__table__  # type: ignore[attr-defined]
_OWNER = text("SELECT user_of_email(:indexes)")


async def admit(unit_of_work: UnitOfWorkFactory, vault: Vault, connection: Connection, person: ExternalPerson) -> UUID:
    """The user. Raises SsoRefused, and then nothing has changed."""
    if person.email is None:
        raise SsoRefused(Reason.EMAIL_NOT_VERIFIED)
    if person.email.rpartition("@")[2] not in connection.domains:
        raise SsoRefused(Reason.WRONG_DOMAIN)
    new = ids.new_id()
    async with unit_of_work(as_member(connection.workspace_id, new)) as uow:
        user_id = await external_identities.hold(uow.session, person.identity)
        if user_id is None:
            who = {"email": person.email, "name": person.name}
            if not await people.add_user(uow.session, vault, new, **who, password_hash=None):
                raise SsoRefused(Reason.ACCOUNT_EXISTS)
            await mark_verified(uow.session, new)
            await external_identities.add(uow.session, new, person.identity, person.issuer)
        await let_in(uow, user_id or new, connection.role)
    return user_id or new


async def let_in(uow: UnitOfWork, user_id: UUID, role: Role) -> None:
    """Makes somebody a member who never was one: whose membership ended is not let in again by their provider."""
    if await _is_in(uow, _MEMBER, user_id):
        return
    if await _is_in(uow, _FORMER, user_id):
        raise SsoRefused(Reason.NO_LONGER_MEMBER)
    await add_member(uow, user_id, role)
    uow.audit("member.join", ids.encode(ids.USER, user_id), {"role": role.value, "by": "sso"})


async def _is_in(uow: UnitOfWork, members: Table, user_id: UUID) -> bool:
    """Whether a table of the workspace's people has them."""
    mine = (members.c.workspace_id == uow.principal.workspace_id) & (members.c.user_id == user_id)
    return (await uow.session.execute(select(literal(1)).where(mine))).first() is not None


async def owner_of(engine: AsyncEngine, vault: Vault, email: str) -> UUID | None:
    """Whose account has this address."""
    async with engine.connect() as connection:
        values = {"indexes": people.logins(vault, email)}
        found: UUID | None = (await connection.execute(_OWNER, values)).scalar_one()
    return found


def as_member(workspace_id: UUID, user_id: UUID) -> Principal:
    """The least that may write what is theirs in this workspace."""
    return Principal(workspace_id=workspace_id, role=Role.VIEWER, user_id=user_id)
