"""Invitations: a place in a workspace for whoever has an e-mail address, taken with a token that works once.

The token is `bzi_` and 256 random bits, of which the SHA-256 is stored. It is good for seven days, for the person who
signs in with the invited address only, and until a newer invitation to the same address takes its place.
"""

import hashlib
import secrets
from dataclasses import dataclass
from datetime import timedelta
from uuid import UUID

from sqlalchemy import ColumnElement, RowMapping, func, insert, select, text, update
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import AsyncEngine

from app import ids
from app.db.sealed import INVITATION_EMAIL
from app.db.vault import Vault
from app.errors import Conflict, InvalidInput, LimitExceeded, NotFound
from app.integrations.mail import Mail
from app.models import Invitation, Membership
from app.principal import Permission, Person, Principal, Role
from app.services.account import people
from app.services.account import queries as accounts
from app.services.account.people import normalized_email
from app.services.account.step_up import require_step_up
from app.services.workspace.create import check_room
from app.services.workspace.queries import INVITATION_COLUMNS, is_open
from app.services.workspace.turn import check_may_give, person_behind, take_turn
from app.unit_of_work import UnitOfWork

PREFIX = "bzi_"
GOOD_FOR = timedelta(days=7)
# So that nobody mails the world in the name of their workspace.
MAX_OPEN = 200
BATCH = 1_000
_INVITATION = Invitation.__table__  # type: ignore[attr-defined]
_MEMBERSHIP = Membership.__table__  # type: ignore[attr-defined]
_EXPIRE = text("SELECT expire_invitations(:most)")
_OFFER = text("SELECT invitation_id, workspace_id, role FROM auth_invitation(:hash)")


@dataclass(frozen=True, slots=True)
class SentInvitation:
    """`row` is what lists show; `token` is known only here."""

    row: RowMapping
    token: str


@dataclass(frozen=True, slots=True)
class Offer:
    """What a token is for. `guest` is its holder as the workspace's rows are shown to them; `field` is where it was."""

    invitation_id: UUID
    role: Role
    guest: Principal
    field: str


async def invite(uow: UnitOfWork, vault: Vault, email: str, role: Role, public_url: str) -> SentInvitation:
    """Mails the invitation, and ends earlier ones of the same address.

    Raises Forbidden, MfaRequired, InvalidInput, LimitExceeded, or Conflict for a member.
    """
    uow.principal.require(Permission.MEMBER_MANAGE)
    await require_step_up(uow)
    address = normalized_email(email)
    check_may_give(await take_turn(uow, Permission.MEMBER_MANAGE), role, "role")
    await _is_no_member(uow, vault, address)
    place = INVITATION_EMAIL.place
    same = _INVITATION.c.email_index.in_(vault.indexes(place, address)) & _mine(uow) & is_open()
    await uow.session.execute(update(_INVITATION).where(same).values(canceled_at=uow.now))
    await _check_open(uow)
    invitation_id, token = ids.new_id(), PREFIX + secrets.token_urlsafe(32)
    statement = insert(Invitation).values(
        id=invitation_id,
        workspace_id=uow.principal.workspace_id,
        email=vault.seal(place, invitation_id, address),
        email_index=vault.index(place, address),
        role=role,
        token_hash=_hash_of(token),
        invited_by=await person_behind(uow),
        expires_at=uow.now + GOOD_FOR,
    )
    row = (await uow.session.execute(statement.returning(*INVITATION_COLUMNS))).mappings().one()
    uow.audit("member.invite", ids.encode(ids.INVITATION, invitation_id), {"role": role.value})
    uow.send_mail(await _mail(uow, address, f"{public_url}/accept-invitation#token={token}"))
    return SentInvitation(row, token)


async def cancel_invitation(uow: UnitOfWork, public_id: str) -> RowMapping:
    """Raises Forbidden, or NotFound for one that is not open."""
    uow.principal.require(Permission.MEMBER_MANAGE)
    await require_step_up(uow)
    await take_turn(uow, Permission.MEMBER_MANAGE)
    wanted = (_INVITATION.c.id == ids.decode(ids.INVITATION, public_id)) & _mine(uow) & is_open()
    statement = update(_INVITATION).where(wanted).values(canceled_at=uow.now).returning(*INVITATION_COLUMNS)
    row = (await uow.session.execute(statement)).mappings().one_or_none()
    if row is None:
        raise NotFound("Invitation", public_id)
    uow.audit("member.invitation_cancel", public_id)
    return row


async def offer_of(engine: AsyncEngine, token: str, person: Person, field: str = "token") -> Offer:
    """Raises InvalidInput, naming the field, for a token that is not good (any more)."""
    async with engine.connect() as connection:
        found = (await connection.execute(_OFFER, {"hash": _hash_of(token)})).one_or_none()
    if found is None:
        raise _not_good(field)
    # As little as there is: what is done here is done by this module, not allowed by a role.
    guest = Principal(found.workspace_id, Role.VIEWER, person.user_id)
    return Offer(found.invitation_id, Role(found.role), guest, field)


async def accept(uow: UnitOfWork, vault: Vault, offer: Offer) -> None:
    """In the workspace of the offer, as its guest. Somebody who is a member already keeps their role.

    Raises InvalidInput where the token was used meanwhile, or belongs to another address than the caller's, or
    LimitExceeded.
    """
    wanted = (_INVITATION.c.id == offer.invitation_id) & is_open()
    taken = update(_INVITATION).where(wanted).values(accepted_at=uow.now).returning(*INVITATION_COLUMNS)
    invitation = (await uow.session.execute(taken)).mappings().one_or_none()
    if invitation is None:
        raise _not_good(offer.field)
    user_id = uow.principal.person.user_id
    await check_room(uow)
    me = (await uow.session.execute(accounts.users_by_ids([user_id]))).mappings().one()
    invited = vault.open(INVITATION_EMAIL.place, invitation["id"], invitation["email"])
    if people.email_of(vault, me) != invited:
        raise InvalidInput("This invitation is for another e-mail address than yours.", (offer.field,))
    member = {"workspace_id": uow.principal.workspace_id, "user_id": user_id, "role": offer.role}
    joined = pg.insert(Membership).values(**member).on_conflict_do_nothing().returning(_MEMBERSHIP.c.user_id)
    if (await uow.session.execute(joined)).first() is not None:
        uow.audit("member.join", ids.encode(ids.USER, user_id), {"role": offer.role.value})
        uow.change_access()


async def clear_out(engine: AsyncEngine) -> None:
    """Delete invitations that have ended, 1,000 at a time."""
    deleted = BATCH
    while deleted == BATCH:
        async with engine.begin() as connection:
            deleted = (await connection.execute(_EXPIRE, {"most": BATCH})).scalar_one()


async def _check_open(uow: UnitOfWork) -> None:
    wanted = (await uow.session.execute(select(func.count()).where(_mine(uow) & is_open()))).scalar_one() + 1
    if wanted > MAX_OPEN:
        message = f"There would be {wanted} open invitations; the limit is {MAX_OPEN}."
        raise LimitExceeded(message, limit=MAX_OPEN, actual=wanted)


async def _is_no_member(uow: UnitOfWork, vault: Vault, address: str) -> None:
    """Raises Conflict. Sees colleagues only: whether a stranger has an account is not told."""
    logins = people.logins(vault, address)
    known = select(_MEMBERSHIP.c.user_id).where(_MEMBERSHIP.c.user_id.in_(accounts.user_ids_by_logins(logins)))
    if (await uow.session.execute(known.where(_MEMBERSHIP.c.workspace_id == uow.principal.workspace_id))).first():
        raise Conflict("Somebody with this address is a member already.", ("email",))


async def _mail(uow: UnitOfWork, address: str, link: str) -> Mail:
    workspace = (await uow.session.execute(accounts.workspace())).mappings().one()
    return Mail(
        to=address,
        subject=f"You are invited to {_one_line(workspace['name'])}",
        text=f"""Hello,

you are invited to the workspace {_one_line(workspace["name"])}. To accept, open this link, and sign in or sign up
with this e-mail address:

{link}

It works once, for {GOOD_FOR.days} days. If you do not know why you get this, do nothing.
""",
    )


def _one_line(name: str) -> str:
    return " ".join(name.split())


def _mine(uow: UnitOfWork) -> ColumnElement[bool]:
    mine: ColumnElement[bool] = _INVITATION.c.workspace_id == uow.principal.workspace_id
    return mine


def _hash_of(token: str) -> bytes:
    return hashlib.sha256(token.encode(errors="surrogatepass")).digest()


def _not_good(field: str) -> InvalidInput:
    return InvalidInput("The invitation is not good any more; ask for another.", (field,))
