"""Linking: the owner of an account, signed in to it, says that an identity at their workspace's provider is theirs."""

from sqlalchemy.ext.asyncio import AsyncEngine

from app import ids
from app.db.vault import Vault
from app.errors import Conflict
from app.principal import Person
from app.services.account import external_identities
from app.services.account.step_up import require_step_up
from app.services.sso import codes, connections
from app.services.sso.admit import as_member, let_in
from app.unit_of_work import UnitOfWorkFactory


async def link(
    engine: AsyncEngine, unit_of_work: UnitOfWorkFactory, vault: Vault, person: Person, code: str, verifier: str
) -> None:
    """Also makes them a member of the provider's workspace.

    Raises MfaRequired, InvalidCredentials for a code that is not for them, Conflict where
    the identity is somebody else's meanwhile, or SsoRefused for a former member.
    """
    async with unit_of_work(person) as uow:
        await require_step_up(uow)
    pending = await codes.take_link(engine, code, verifier)
    connection = await connections.find(engine, vault, connection_id=pending.connection_id)
    if pending.user_id != person.user_id or connection is None:
        raise codes.not_valid()
    async with unit_of_work(as_member(connection.workspace_id, person.user_id)) as uow:
        owner = await external_identities.hold(uow.session, pending.identity)
        if owner not in (None, person.user_id):
            raise Conflict("This identity belongs to another account.", ("code",))
        if owner is None:
            await external_identities.add(uow.session, person.user_id, pending.identity, connection.issuer)
        await let_in(uow, person.user_id, connection.role)
        uow.audit("sso.link", ids.encode(ids.USER, person.user_id))
