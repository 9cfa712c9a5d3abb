"""Workspaces' identity providers: which of them an e-mail domain belongs to."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.sealed import SSO_CLIENT_SECRET
from app.db.vault import Vault
from app.errors import InvalidInput
from app.principal import Role
from app.services.account.people import normalized_email

_FIND = text("SELECT * FROM sso_connection(:id, :domain)")


@dataclass(frozen=True, slots=True)
class Connection:
    """`role` is what members get who come through it first; whose address is of none of `domains` does not."""

    id: UUID
    workspace_id: UUID
    issuer: str
    client_id: str
    client_secret: str
    role: Role
    domains: frozenset[str]


async def find(
    engine: AsyncEngine, vault: Vault, *, connection_id: UUID | None = None, domain: str | None = None
) -> Connection | None:
    """By its id, or by an e-mail domain as `domain_of` gives it."""
    async with engine.connect() as connection:
        row = (await connection.execute(_FIND, {"id": connection_id, "domain": domain})).one_or_none()
    if row is None:
        return None
    return Connection(
        id=row.id,
        workspace_id=row.workspace_id,
        issuer=row.issuer,
        client_id=row.client_id,
        client_secret=vault.open(SSO_CLIENT_SECRET.place, row.id, row.client_secret),
        role=Role(row.role),
        domains=frozenset(row.domains),
    )


def domain_of(email: str) -> str:
    """In lower case. Raises InvalidInput."""
    return normalized_email(email).rpartition("@")[2]


def checked_domain(text: str) -> str:
    """As `domain_of` gives it. Raises InvalidInput."""
    try:
        return domain_of(f"anybody@{text.strip()}")
    except InvalidInput:
        raise InvalidInput(f"{text} is not a domain of e-mail addresses, such as example.com.", ("domain",)) from None
