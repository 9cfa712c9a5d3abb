"""A new user, with a workspace of their own or in the one that they are invited to."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import insert

from app import ids
from app.db.vault import Vault
from app.errors import Conflict, InvalidInput
from app.models import ApiKey, LedgerKind
from app.principal import Person, Principal, Role
from app.services.account import passwords, people
from app.services.account.api_keys import NewKey
from app.services.account.people import normalized_email
from app.services.account.verification import mark_verified, send_verification
from app.services.billing import ledger
from app.services.workspace.create import FIRST_PLAN, checked_name, create_workspace, founder
from app.services.workspace.invitations import Offer, accept
from app.unit_of_work import UnitOfWork, UnitOfWorkFactory

# Not after its owner: workspaces are not sealed.
FIRST_WORKSPACE = "My workspace"


@dataclass(frozen=True, slots=True)
class SignUp:
    email: str
    password: str
    name: str
    workspace_name: str | None = None
    plan: str = FIRST_PLAN
    credits_micros: int = 0


@dataclass(frozen=True, slots=True)
class NewAccount:
    user_id: UUID
    workspace_id: UUID

    @property
    def principal(self) -> Principal:
        return Principal(workspace_id=self.workspace_id, role=Role.OWNER, user_id=self.user_id)


async def sign_up(
    unit_of_work: UnitOfWorkFactory,
    vault: Vault,
    wanted: SignUp,
    offer: Offer | None = None,
    *,
    public_url: str | None = None,
) -> NewAccount:
    """Mails a link to `public_url` that verifies the address; None where nobody reads it.

    Raises InvalidInput naming the field, or Conflict for an address that is taken.
    """
    email = normalized_email(wanted.email)
    passwords.check_length(wanted.password)
    name = checked_name(wanted.name)
    workspace_name = checked_name(wanted.workspace_name or FIRST_WORKSPACE, "workspaceName")
    if offer is not None and wanted.workspace_name is not None:
        raise InvalidInput("An invitation leads into its own workspace: leave workspaceName out.", ("workspaceName",))
    password_hash = await passwords.hash_password(wanted.password)
    caller = offer.guest if offer is not None else founder(Person(ids.new_id()))
    account = NewAccount(caller.person.user_id, caller.workspace_id)
    async with unit_of_work(caller) as uow:
        await add_person(uow, vault, email=email, name=name, password_hash=password_hash)
        if offer is not None:
            await accept(uow, vault, offer)
        else:
            await create_workspace(uow, workspace_name, wanted.plan)
            await _welcome(uow, wanted.credits_micros)
        uow.audit("account.sign_up", ids.encode(ids.USER, account.user_id))
        if public_url is not None:
            await send_verification(uow, account.user_id, email, public_url)
    return account


async def open_account(
    uow: UnitOfWork, vault: Vault, *, email: str, name: str, workspace_name: str, credits_micros: int
) -> None:
    """For whoever another issuer vouches for: user and workspace of the caller. Raises Conflict, as below."""
    await add_person(uow, vault, email=email, name=name, password_hash=None)
    await mark_verified(uow.session, uow.person.user_id)
    await create_workspace(uow, workspace_name)
    await _welcome(uow, credits_micros)
    uow.audit("account.sign_up", ids.encode(ids.USER, uow.person.user_id))


async def _welcome(uow: UnitOfWork, credits_micros: int) -> None:
    """For a person's first workspace only: they can make more of them, and need no more to try it."""
    if credits_micros:
        await ledger.post(uow.session, uow.principal.workspace_id, LedgerKind.GRANT, credits_micros, "sign-up")


async def add_person(uow: UnitOfWork, vault: Vault, *, email: str, name: str, password_hash: str | None) -> None:
    """The caller, as a user. Raises Conflict for an address that is taken."""
    user_id = uow.person.user_id
    if not await people.add_user(uow.session, vault, user_id, email=email, name=name, password_hash=password_hash):
        raise Conflict("An account with this e-mail address exists; sign in instead.", ("email",))


async def add_api_key(uow: UnitOfWork, *, creator_id: UUID, name: str, key: NewKey, role: Role) -> UUID:
    """Store a key of this workspace; its secret is not stored."""
    key_id = ids.new_id()
    await uow.session.execute(
        insert(ApiKey).values(
            id=key_id,
            workspace_id=uow.principal.workspace_id,
            creator_id=creator_id,
            name=name,
            prefix=key.prefix,
            secret_hash=key.hash,
            role=role,
        )
    )
    return key_id
