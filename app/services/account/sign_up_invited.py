"""A new user who joins the workspace that they are invited to, instead of getting one of their own."""

from sqlalchemy.ext.asyncio import AsyncEngine

from app import ids
from app.db.vault import Vault
from app.errors import InvalidInput
from app.principal import Principal
from app.services.account import passwords
from app.services.account.sign_up import NewAccount, SignUp, add_user, normalized_email
from app.services.workspace.create import checked_name
from app.services.workspace.join import find_invitation, join, joining
from app.unit_of_work import UnitOfWorkFactory

FIELD = "invitation"


async def sign_up_invited(
    engine: AsyncEngine, unit_of_work: UnitOfWorkFactory, vault: Vault, wanted: SignUp, token: str
) -> NewAccount:
    """Raises what `sign_up` and `join` raise; then there is no account, and the invitation stays."""
    if wanted.workspace_name is not None:
        raise InvalidInput("With an invitation no workspace is created; leave workspaceName out.", ("workspaceName",))
    email = normalized_email(wanted.email)
    passwords.check_length(wanted.password)
    name = checked_name("name", wanted.name)
    invitation = await find_invitation(engine, vault, token, FIELD)
    password_hash = await passwords.hash_password(wanted.password)
    user = Principal.outside(ids.new_id())
    async with unit_of_work(joining(user, invitation)) as uow:
        await add_user(uow, email=email, name=name, password_hash=password_hash)
        await join(uow, invitation, email, FIELD)
    return NewAccount(user.require_person(), invitation.workspace_id)
