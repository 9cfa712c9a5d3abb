"""The life of a person's second factor: enrolled, confirmed by a first code, disabled."""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import delete, literal, select, update
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from app.db.sealed import TOTP_SECRET
from app.db.vault import Vault
from app.errors import InvalidState
from app.models import MfaChallenge, TotpFactor, User
from app.principal import Person
from app.services.account import recovery_codes, second_factor, sessions, totp
from app.services.account.failed_sign_ins import FailedSignIns
from app.services.account.own_password import email_of, verify_own_password
from app.services.account.step_up import require_step_up
from app.unit_of_work import UnitOfWork, UnitOfWorkFactory

_CHALLENGE = MfaChallenge.__table__  # type: ignore[attr-defined]
_FACTOR = TotpFactor.__table__  # type: ignore[attr-defined]
_USER = User.__table__  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Enrolment:
    """`secret` in base32, to type; `uri` is `otpauth://…`, to show as a QR code. Known only here."""

    secret: str
    uri: str


async def enrol_totp(
    engine: AsyncEngine,
    unit_of_work: UnitOfWorkFactory,
    vault: Vault,
    failed: FailedSignIns,
    person: Person,
    *,
    password: str,
    client: str | None,
) -> Enrolment:
    """A secret that counts only when it is confirmed; one that was not confirmed is replaced.

    The password is asked for, as whoever found an open session could otherwise lock its owner out. Raises
    InvalidCredentials or SignInLocked naming the field, or InvalidState.
    """
    await verify_own_password(engine, vault, failed, person, password, client, "password")
    user_id = person.user_id
    enrolment = _new(await email_of(engine, vault, person))
    sealed = vault.seal(TOTP_SECRET.place, user_id, enrolment.secret)
    async with unit_of_work(person) as uow:
        statement = pg.insert(_FACTOR).values(user_id=user_id, secret=sealed)
        replaced = statement.on_conflict_do_update(
            index_elements=["user_id"],
            set_={"secret": sealed, "created_at": uow.now},
            where=_FACTOR.c.confirmed_at.is_(None),
        ).returning(_FACTOR.c.user_id)
        if (await uow.session.execute(replaced)).first() is None:
            raise _already_on()
    return enrolment


async def confirm_totp(unit_of_work: UnitOfWorkFactory, vault: Vault, person: Person, code: str) -> list[str]:
    """The recovery codes, to be shown once. From now on the second factor is asked for; other sessions end.

    Raises InvalidState, InvalidCredentials or CodesLocked.
    """
    user_id = person.user_id
    codes: list[str] = []
    async with unit_of_work(person) as uow:
        await _hold_sign_ins(uow, user_id)
        factor = await second_factor.take_turn(uow.session, user_id)
        if factor is None:
            raise InvalidState("There is nothing to confirm; call enrolTotp first.")
        if factor.confirmed_at is not None:
            raise _already_on()
        tried = await second_factor.try_code(uow.session, vault, factor, code, uow.now)
        if tried.refusal is None:
            confirmed = update(_FACTOR).where(_FACTOR.c.user_id == user_id).values(confirmed_at=uow.now)
            await uow.session.execute(confirmed)
            codes = await recovery_codes.replace_all(uow.session, user_id)
            await sessions.show_second_factor(uow, uow.now)
            await sessions.end_others(uow)
            uow.audit_account("mfa.enable")
    if tried.refusal is not None:
        raise tried.refusal
    return codes


async def regenerate_recovery_codes(uow: UnitOfWork) -> list[str]:
    """Ten new ones instead of those that are left. Raises Forbidden, MfaRequired or InvalidState."""
    user_id = await _with_factor(uow)
    uow.audit_account("mfa.recovery_codes")
    return await recovery_codes.replace_all(uow.session, user_id)


async def disable_totp(uow: UnitOfWork) -> None:
    """The password is enough again; other sessions end. Raises Forbidden, MfaRequired or InvalidState."""
    user_id = await _with_factor(uow)
    await forget(uow.session, user_id)
    await sessions.show_second_factor(uow, None)
    await sessions.end_others(uow)
    uow.audit_account("mfa.disable")


async def forget(session: AsyncConnection | AsyncSession, user_id: UUID) -> None:
    """All that there is of the user's second factor. The row that tries take turns on goes first, as everywhere."""
    await session.execute(delete(_FACTOR).where(_FACTOR.c.user_id == user_id))
    await recovery_codes.forget_all(session, user_id)
    await session.execute(delete(_CHALLENGE).where(_CHALLENGE.c.user_id == user_id))


def _new(account: str) -> Enrolment:
    secret = totp.new_secret()
    return Enrolment(secret, totp.provisioning_uri(secret, account))


async def _hold_sign_ins(uow: UnitOfWork, user_id: UUID) -> None:
    """A session that is being opened without the second factor is there before others are ended, or is not opened."""
    mine = select(literal(1)).where(_USER.c.id == user_id).with_for_update(key_share=True)
    await uow.session.execute(mine)


async def _with_factor(uow: UnitOfWork) -> UUID:
    """The caller, whose second factor is on and was just shown; its row is locked."""
    user_id = uow.person.user_id
    factor = await second_factor.take_turn(uow.session, user_id)
    if factor is None or factor.confirmed_at is None:
        raise InvalidState("You have no second factor.")
    await require_step_up(uow)
    return user_id


def _already_on() -> InvalidState:
    return InvalidState("Your second factor is on. To use another app, call disableTotp first.")
