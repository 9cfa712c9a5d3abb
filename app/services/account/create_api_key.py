"""A new API key: what its creator may do, or less."""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import datetime
from uuid import UUID

from sqlalchemy import RowMapping, insert, select

from app import ids
from app.errors import Forbidden, InvalidInput, Unauthenticated
from app.models import ApiKey
from app.principal import Permission, Principal
from app.services.account import api_keys
from app.services.account.queries import API_KEY_COLUMNS
from app.services.account.step_up import require_step_up
from app.services.workspace.turn import take_turn
from app.unit_of_work import UnitOfWork

MAX_NAME_LENGTH = 100
_API_KEY = ApiKey.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class ApiKeyDraft:
    """`scopes` None: all that the creator may do. `expires_at` None: when it is revoked."""

    name: str
    scopes: Sequence[str] | None = None
    expires_at: datetime | None = None


@dataclass(frozen=True, slots=True)
class CreatedApiKey:
    """`row` is what lists show; `secret` is known only here."""

    row: RowMapping
    secret: str


async def create_api_key(uow: UnitOfWork, draft: ApiKeyDraft) -> CreatedApiKey:
    """Raises Forbidden, also for a scope that the creator lacks, MfaRequired, or InvalidInput naming the field."""
    principal = uow.principal
    principal.require(Permission.API_KEY_MANAGE)
    await require_step_up(uow)
    principal = await take_turn(uow, Permission.API_KEY_MANAGE)
    name = draft.name.strip()
    if not 1 <= len(name) <= MAX_NAME_LENGTH or "\0" in name:
        raise InvalidInput(f"name has 1 to {MAX_NAME_LENGTH} characters, without NUL.", ("name",))
    scopes = _scopes(principal, draft.scopes)
    creator_id, at_most = await _creator(uow)
    key = api_keys.generate()
    statement = insert(ApiKey).values(
        id=ids.new_id(),
        workspace_id=principal.workspace_id,
        creator_id=creator_id,
        name=name,
        prefix=key.prefix,
        secret_hash=key.hash,
        role=principal.role,
        scopes=scopes,
        expires_at=_expiry(draft.expires_at, uow.now, at_most),
    )
    row = (await uow.session.execute(statement.returning(*API_KEY_COLUMNS))).mappings().one()
    expires_at = row["expires_at"].isoformat() if row["expires_at"] is not None else None
    data = {"name": name, "role": row["role"], "scopes": row["scopes"], "expiresAt": expires_at}
    uow.audit("api_key.create", ids.encode(ids.API_KEY, row["id"]), data)
    return CreatedApiKey(row, key.secret)


def _scopes(principal: Principal, wanted: Sequence[str] | None) -> list[str] | None:
    if wanted is None:
        return None if principal.scopes is None else sorted(principal.permissions)
    if not wanted:
        raise InvalidInput("A key with no scope can do nothing; leave scopes out for all that you may do.", ("scopes",))
    for index, scope in enumerate(wanted):
        path = ("scopes", str(index))
        if scope not in set(Permission):
            raise InvalidInput(f"There is no such scope; known are {', '.join(Permission)}.", path)
        if scope not in principal.permissions:
            raise Forbidden(f"You do not have the permission {scope} yourself.", path)
    return sorted(set(wanted))


def _expiry(wanted: datetime | None, now: datetime, at_most: datetime | None) -> datetime | None:
    """A key that ends cannot make one that outlives it."""
    if wanted is not None and wanted.tzinfo is None:
        raise InvalidInput("expiresAt has a time zone, such as Z.", ("expiresAt",))
    if wanted is not None and wanted <= now:
        raise InvalidInput("expiresAt is in the future.", ("expiresAt",))
    return min((moment for moment in (wanted, at_most) if moment is not None), default=None)


async def _creator(uow: UnitOfWork) -> tuple[UUID, datetime | None]:
    """The person behind the caller, and when the key that they call with ends."""
    if uow.principal.user_id is not None:
        return uow.principal.user_id, None
    calling = select(_API_KEY.c.creator_id, _API_KEY.c.expires_at).where(_API_KEY.c.id == uow.principal.api_key_id)
    row = (await uow.session.execute(calling)).one_or_none()
    if row is None:
        raise Unauthenticated("Sign in, or send an API key: Authorization: Bearer <token>.")
    return row.creator_id, row.expires_at
