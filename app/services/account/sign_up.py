"""A new user with a workspace of their own."""

import re
import secrets
from dataclasses import dataclass
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import insert

from app import ids
from app.db.vault import Vault
from app.errors import Conflict, InvalidInput
from app.models import ApiKey, Membership, Workspace
from app.principal import Principal, Role
from app.services.account import passwords, people
from app.services.account.api_keys import NewKey
from app.unit_of_work import UnitOfWork, UnitOfWorkFactory

MAX_NAME_LENGTH = 200
FIRST_PLAN = "FREE"
_SLUG_LENGTH = 60
# Not after its owner: workspaces are not sealed.
FIRST_WORKSPACE = "My workspace"


@dataclass(frozen=True, slots=True)
class SignUp:
    email: str
    password: str
    name: str
    workspace_name: str | None = None


@dataclass(frozen=True, slots=True)
class NewAccount:
    user_id: UUID
    workspace_id: UUID

    @property
    def principal(self) -> Principal:
        return Principal(workspace_id=self.workspace_id, role=Role.OWNER, user_id=self.user_id)


async def sign_up(unit_of_work: UnitOfWorkFactory, vault: Vault, wanted: SignUp) -> NewAccount:
    """Raises InvalidInput naming the field, or Conflict for an address that is taken."""
    email = normalized_email(wanted.email)
    passwords.check_length(wanted.password)
    name = _checked_name("name", wanted.name)
    workspace_name = _checked_name("workspaceName", wanted.workspace_name or FIRST_WORKSPACE)
    password_hash = await passwords.hash_password(wanted.password)
    account = NewAccount(ids.new_id(), ids.new_id())
    async with unit_of_work(account.principal) as uow:
        who = {"email": email, "name": name, "workspace_name": workspace_name}
        await open_account(uow, vault, account, **who, password_hash=password_hash)
    return account


async def open_account(
    uow: UnitOfWork,
    vault: Vault,
    account: NewAccount,
    *,
    email: str,
    name: str,
    workspace_name: str,
    password_hash: str | None = None,
) -> None:
    """The user and their workspace. Raises Conflict for an address that is taken."""
    if not await people.add_user(
        uow.session, vault, account.user_id, email=email, name=name, password_hash=password_hash
    ):
        raise Conflict("An account with this e-mail address exists; sign in instead.", ("email",))
    await uow.session.execute(
        insert(Workspace).values(
            id=account.workspace_id,
            name=workspace_name,
            slug=_slug(workspace_name),
            owner_id=account.user_id,
            plan=FIRST_PLAN,
        )
    )
    await add_member(uow, account.user_id, Role.OWNER)


async def add_member(uow: UnitOfWork, user_id: UUID, role: Role) -> None:
    """To the caller's workspace."""
    member = {"workspace_id": uow.principal.workspace_id, "user_id": user_id, "role": role}
    await uow.session.execute(insert(Membership).values(member))


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


def normalized_email(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        raise InvalidInput("This is not an e-mail address.", ("email",)) from None


def _checked_name(field: str, text: str) -> str:
    name = text.strip()
    if not 1 <= len(name) <= MAX_NAME_LENGTH or "\0" in name:
        raise InvalidInput(f"{field} has 1 to {MAX_NAME_LENGTH} characters.", (field,))
    return name


def _slug(name: str) -> str:
    words = re.sub(r"[^a-z0-9]+", "-", name.lower()).strip("-")[:_SLUG_LENGTH]
    return f"{words or 'workspace'}-{secrets.token_hex(4)}"
