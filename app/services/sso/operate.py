"""Workspaces' connections to identity providers, as whoever operates the installation sets them.

Works as the tables' owner. That a domain is the workspace's is what the operator vouches for.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, func, insert, select
from sqlalchemy.exc import IntegrityError
from sqlalchemy.ext.asyncio import AsyncEngine

from app import ids
from app.db.sealed import SSO_CLIENT_SECRET
from app.db.vault import Vault
from app.errors import Conflict, InvalidInput
from app.models import SsoConnection, SsoDomain, Workspace
from app.principal import Role
from app.services.sso.connections import checked_domain
from app.settings import secure_url

_CONNECTION = SsoConnection.__table__  # type: ignore[attr-defined]
_DOMAIN = SsoDomain.__table__  # type: ignore[attr-defined]
_WORKSPACE = Workspace.__table__  # type: ignore[attr-defined]
_MAX_ISSUER = 500
_MAX_CLIENT_ID = 255
# Nobody owns a workspace by coming through a provider.
ROLES = (Role.ADMIN, Role.MEMBER, Role.VIEWER)


@dataclass(frozen=True, slots=True)
class NewConnection:
    workspace_id: UUID
    issuer: str
    client_id: str
    client_secret: str
    domains: Sequence[str]
    role: Role = Role.MEMBER


@dataclass(frozen=True, slots=True)
class Listed:
    """A connection without its secret."""

    id: UUID
    workspace_id: UUID
    workspace_name: str
    issuer: str
    client_id: str
    role: str
    domains: Sequence[str]


async def add_connection(engine: AsyncEngine, vault: Vault, wanted: NewConnection) -> UUID:
    """Its id. Raises InvalidInput naming the value, or Conflict for a domain that another connection has."""
    domains = sorted({checked_domain(domain) for domain in wanted.domains})
    _check(wanted)
    connection_id = ids.new_id()
    values = {
        "id": connection_id,
        "workspace_id": wanted.workspace_id,
        "issuer": wanted.issuer,
        "client_id": wanted.client_id,
        "client_secret": vault.seal(SSO_CLIENT_SECRET.place, connection_id, wanted.client_secret),
        "role": wanted.role,
    }
    of = {"connection_id": connection_id, "workspace_id": wanted.workspace_id}
    try:
        async with engine.begin() as transaction:
            await transaction.execute(insert(SsoConnection).values(values))
            await transaction.execute(insert(SsoDomain), [{"domain": domain, **of} for domain in domains])
    except IntegrityError as error:
        raise await _collision(engine, wanted, domains) from error
    return connection_id


async def list_connections(engine: AsyncEngine) -> Sequence[Listed]:
    """Of every workspace, in the order of their creation."""
    columns = _CONNECTION.c
    domains = select(func.array_agg(_DOMAIN.c.domain)).where(_DOMAIN.c.connection_id == columns.id)
    statement = (
        select(
            columns.id,
            columns.workspace_id,
            _WORKSPACE.c.name.label("workspace_name"),
            columns.issuer,
            columns.client_id,
            columns.role,
            func.coalesce(domains.correlate(_CONNECTION).scalar_subquery(), []).label("domains"),
        )
        .join(_WORKSPACE, _WORKSPACE.c.id == columns.workspace_id)
        .order_by(columns.id)
    )
    async with engine.connect() as connection:
        return [Listed(**row) for row in (await connection.execute(statement)).mappings()]


async def remove_connection(engine: AsyncEngine, connection_id: UUID) -> bool:
    """With its domains, and what is under way. Members stay members. False where there is none."""
    async with engine.begin() as transaction:
        statement = delete(_CONNECTION).where(_CONNECTION.c.id == connection_id).returning(_CONNECTION.c.id)
        return (await transaction.execute(statement)).first() is not None


def _check(wanted: NewConnection) -> None:
    try:
        secure_url(wanted.issuer)
    except ValueError as error:
        raise InvalidInput(f"issuer {error}.", ("issuer",)) from None
    if len(wanted.issuer) > _MAX_ISSUER or not set(wanted.issuer).isdisjoint("?# "):
        raise InvalidInput(f"issuer has at most {_MAX_ISSUER} characters, without ? and #.", ("issuer",))
    if not 1 <= len(wanted.client_id) <= _MAX_CLIENT_ID:
        raise InvalidInput(f"client-id has 1 to {_MAX_CLIENT_ID} characters.", ("client_id",))
    if not wanted.client_secret:
        raise InvalidInput("The client secret is empty.", ("client_secret",))
    if wanted.role not in ROLES:
        raise InvalidInput(f"role is {wanted.role}; it can be {', '.join(ROLES)}.", ("role",))
    if not wanted.domains:
        raise InvalidInput("Give at least one domain.", ("domain",))


async def _collision(engine: AsyncEngine, wanted: NewConnection, domains: Sequence[str]) -> Conflict | InvalidInput:
    """Why the rows could not be written."""
    async with engine.connect() as connection:
        taken = (await connection.scalars(select(_DOMAIN.c.domain).where(_DOMAIN.c.domain.in_(domains)))).all()
    if taken:
        return Conflict(f"{', '.join(sorted(taken))}: another connection has it.", ("domain",))
    workspace = ids.encode(ids.WORKSPACE, wanted.workspace_id)
    return InvalidInput(f"There is no workspace {workspace}. `bizq workspace list` shows them.", ("workspace",))
