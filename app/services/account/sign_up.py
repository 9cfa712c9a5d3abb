"""A new user with a workspace of their own."""

from dataclasses import dataclass
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import insert
from sqlalchemy.dialects import postgresql as pg

from app import ids
from app.errors import Conflict, InvalidInput
from app.models import ApiKey, User
from app.principal import Principal, Role
from app.services.account import passwords
from app.services.account.api_keys import NewKey
from app.services.workspace.create import MAX_NAME_LENGTH, add_workspace, checked_name
from app.unit_of_work import UnitOfWork, UnitOfWorkFactory

_OWN_WORKSPACE = "'s workspace"


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


async def sign_up(unit_of_work: UnitOfWorkFactory, wanted: SignUp) -> NewAccount:
    """Raises InvalidInput naming the field, or Conflict for an address that is taken."""
    email = normalized_email(wanted.email)
    passwords.check_length(wanted.password)
    name = checked_name("name", wanted.name)
    suggested = name[: MAX_NAME_LENGTH - len(_OWN_WORKSPACE)] + _OWN_WORKSPACE
    workspace_name = checked_name("workspaceName", wanted.workspace_name or suggested)
    password_hash = await passwords.hash_password(wanted.password)
    account = NewAccount(ids.new_id(), ids.new_id())
    async with unit_of_work(account.principal) as uow:
        await add_user(uow, email=email, name=name, password_hash=password_hash)
        await add_workspace(uow, workspace_name)
    return account


async def add_user(uow: UnitOfWork, *, email: str, name: str, password_hash: str) -> None:
    """Whoever the unit of work's caller is going to be. Raises Conflict for an address that is taken."""
    user = {"id": uow.principal.user_id, "email": email, "name": name, "password_hash": password_hash}
    inserted = await uow.session.execute(
        pg.insert(User).values(user).on_conflict_do_nothing(index_elements=["email"]).returning(User.id)  # type: ignore[call-overload]
    )
    if inserted.first() is None:
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


def normalized_email(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        raise InvalidInput("This is not an e-mail address.", ("email",)) from None
