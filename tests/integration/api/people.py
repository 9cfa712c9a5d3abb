"""People with a role in a workspace, as rows: nobody needs a password to send a token."""

import secrets
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import delete, insert, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app import ids
from app.db.vault import Vault
from app.models import ApiKey, Membership
from app.principal import Permission, Person, Principal, Role
from app.services.account import api_keys
from app.services.account.sessions import Lifetime, open_session
from app.services.account.sign_up import add_person
from app.services.account.tokens import TokenSigner
from app.services.workspace.create import create_workspace
from app.unit_of_work import UnitOfWorkFactory

LIFETIME = Lifetime(timedelta(days=1), timedelta(days=1))
_MEMBERSHIPS = text("SELECT workspace_id FROM auth_memberships(:user)")


@dataclass(frozen=True, slots=True)
class Colleague:
    """`token` is an access token of theirs."""

    user_id: UUID
    email: str
    token: str

    @property
    def id(self) -> str:
        return ids.encode(ids.USER, self.user_id)


class People:
    """Makes them."""

    def __init__(self, engine: AsyncEngine, unit_of_work: UnitOfWorkFactory, vault: Vault, signer: TokenSigner) -> None:
        self._engine = engine
        self._unit_of_work = unit_of_work
        self._vault = vault
        self._signer = signer

    async def person(self) -> Colleague:
        """In no workspace."""
        user_id, email = ids.new_id(), f"{secrets.token_hex(8)}@example.com"
        async with self._unit_of_work(Person(user_id)) as uow:
            await add_person(uow, self._vault, email=email, name="Test", password_hash="none")
        session = await open_session(self._engine, user_id, LIFETIME)
        return Colleague(user_id, email, self._signer.issue(user_id, session.session_id).text)

    async def founder(self) -> tuple[UUID, Colleague]:
        """A new workspace and its owner."""
        owner, workspace_id = await self.person(), ids.new_id()
        async with self._unit_of_work(Principal(workspace_id, Role.OWNER, owner.user_id)) as uow:
            await create_workspace(uow, "Test workspace")
        return workspace_id, owner

    async def member(self, workspace_id: UUID, role: Role) -> Colleague:
        person = await self.person()
        await self.add(workspace_id, person, role)
        return person

    async def add(self, workspace_id: UUID, person: Colleague, role: Role) -> None:
        async with self._unit_of_work(Principal.system(workspace_id)) as uow:
            values = {"workspace_id": workspace_id, "user_id": person.user_id, "role": role}
            await uow.session.execute(insert(Membership).values(**values))

    async def forget(self, user_id: UUID) -> None:
        """Take them out of the workspace that they signed up with, which stays without anybody."""
        person = Person(user_id)
        async with self._unit_of_work(person) as uow:
            memberships = await uow.session.execute(_MEMBERSHIPS, {"user": user_id})
            workspaces = [row.workspace_id for row in memberships]
        for workspace_id in workspaces:
            async with self._unit_of_work(Principal.system(workspace_id)) as uow:
                await uow.session.execute(delete(Membership).where(Membership.user_id == user_id))  # type: ignore[arg-type]

    async def look_again(self, workspace_id: UUID) -> None:
        """Tell every process that access has changed."""
        async with self._unit_of_work(Principal.system(workspace_id)) as uow:
            uow.change_access()

    async def key(
        self, workspace_id: UUID, creator: Colleague, role: Role = Role.OWNER, scopes: list[Permission] | None = None
    ) -> str:
        """The secret of an API key."""
        (secret,) = await self.keys(workspace_id, creator, [scopes], role)
        return secret

    async def keys(
        self,
        workspace_id: UUID,
        creator: Colleague,
        scopes: Sequence[list[Permission] | None],
        role: Role = Role.OWNER,
    ) -> list[str]:
        """Their secrets: one key for each list of scopes."""
        made = [api_keys.generate() for _ in scopes]
        rows = [
            {
                "id": ids.new_id(),
                "workspace_id": workspace_id,
                "creator_id": creator.user_id,
                "name": "test",
                "prefix": key.prefix,
                "secret_hash": key.hash,
                "role": role,
                "scopes": wanted,
            }
            for key, wanted in zip(made, scopes, strict=True)
        ]
        async with self._unit_of_work(Principal.system(workspace_id)) as uow:
            await uow.session.execute(insert(ApiKey).values(rows))
        return [key.secret for key in made]
