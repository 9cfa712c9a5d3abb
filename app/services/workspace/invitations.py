"""Invitations: by e-mail address, with a token that works once and for a week.

A token is `bzi_` and 256 random bits, of which the SHA-256 is stored. An invitation exists only while it is open: an
address that nobody needs any more is not kept. To invite an address again replaces its invitation, with a new token.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, Select, delete, func, insert, select, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app import clock, ids
from app.db.vault import Vault
from app.errors import Conflict, LimitExceeded, NotFound
from app.models import ApiKey, Invitation
from app.principal import Permission, Role
from app.services.account.sign_up import normalized_email
from app.services.workspace import addresses, membership
from app.unit_of_work import UnitOfWork

PREFIX = "bzi_"
LIFETIME = timedelta(days=7)
# So that nobody mails the world in the name of their workspace.
MAX_OPEN = 200
BATCH = 1_000
EMAIL = "invitations.email"
INVITATION = Invitation.__table__  # type: ignore[attr-defined]
INVITATION_ID = INVITATION.c.id
_API_KEY = ApiKey.__table__  # type: ignore[attr-defined]
_SHOWN = [column for column in INVITATION.c if column.name not in ("email_index", "token_hash")]
_EXPIRE = text("SELECT expire_invitations(:most)")


@dataclass(frozen=True, slots=True)
class Invited:
    """`row` as lists show it, with the address opened; `token` is known only here."""

    row: dict[str, Any]
    token: str


def open_invitations() -> Select[Any]:
    """Of the caller's workspace; the addresses are sealed, see `opened`."""
    return select(*_SHOWN).where(INVITATION.c.expires_at > clock.now())


def opened(vault: Vault, row: RowMapping) -> dict[str, Any]:
    """With the address as text."""
    return {**row, "email": vault.open(EMAIL, row["id"], row["email"])}


async def invite_member(uow: UnitOfWork, vault: Vault, email: str, role: Role) -> Invited:
    """Raises Forbidden, InvalidInput, Conflict for somebody who is a member, or LimitExceeded."""
    uow.principal.require(Permission.MEMBER_MANAGE)
    address = normalized_email(email)
    caller = await membership.take_turn(uow)
    caller.require(Permission.MEMBER_MANAGE)
    membership.check_may_give(caller, role, ("role",))
    if await addresses.is_member(uow, address):
        raise Conflict("Somebody with this e-mail address is a member already.", ("email",))
    mine = INVITATION.c.workspace_id == caller.workspace_id
    replaced = INVITATION.c.email_index.in_(vault.indexes(EMAIL, address)) | (INVITATION.c.expires_at <= uow.now)
    await uow.session.execute(delete(INVITATION).where(mine, replaced))
    await _check_room(uow)
    token, key = PREFIX + secrets.token_urlsafe(32), ids.new_id()
    values = {
        "id": key,
        "workspace_id": caller.workspace_id,
        "email": vault.seal(EMAIL, key, address),
        "email_index": vault.index(EMAIL, address),
        "role": role,
        "token_hash": hash_of(token),
        "inviter_id": await _inviter(uow),
        "expires_at": uow.now + LIFETIME,
    }
    row = (await uow.session.execute(insert(INVITATION).values(**values).returning(*_SHOWN))).mappings().one()
    return Invited(opened(vault, row), token)


async def cancel_invitation(uow: UnitOfWork, vault: Vault, public_id: str) -> dict[str, Any]:
    """The invitation as it was. Raises Forbidden or NotFound."""
    uow.principal.require(Permission.MEMBER_MANAGE)
    caller = await membership.take_turn(uow)
    caller.require(Permission.MEMBER_MANAGE)
    mine = (INVITATION.c.workspace_id == caller.workspace_id) & (
        INVITATION.c.id == ids.decode(ids.INVITATION, public_id)
    )
    row = (await uow.session.execute(delete(INVITATION).where(mine).returning(*_SHOWN))).mappings().one_or_none()
    if row is None:
        raise NotFound("Invitation", public_id)
    return opened(vault, row)


async def clear_out(engine: AsyncEngine) -> None:
    """Delete invitations that have run out, 1,000 at a time."""
    deleted = BATCH
    while deleted == BATCH:
        async with engine.begin() as connection:
            deleted = (await connection.execute(_EXPIRE, {"most": BATCH})).scalar_one()


def hash_of(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


async def _check_room(uow: UnitOfWork) -> None:
    mine = INVITATION.c.workspace_id == uow.principal.workspace_id
    wanted = (await uow.session.execute(select(func.count()).where(mine))).scalar_one() + 1
    if wanted > MAX_OPEN:
        raise LimitExceeded(
            f"There would be {wanted} open invitations; the limit is {MAX_OPEN}.", limit=MAX_OPEN, actual=wanted
        )


async def _inviter(uow: UnitOfWork) -> UUID:
    """The person who calls, or who made the key that calls: with their membership the invitation ends."""
    if uow.principal.user_id is not None:
        return uow.principal.user_id
    creator = select(_API_KEY.c.creator_id).where(_API_KEY.c.id == uow.principal.api_key_id)
    found: UUID = (await uow.session.execute(creator)).scalar_one()
    return found
