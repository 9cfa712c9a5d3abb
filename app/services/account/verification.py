"""The proof that somebody reads the address that they signed up with."""

from typing import Any
from uuid import UUID

from sqlalchemy import Select, func, select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine, AsyncSession

from app import clock
from app.db.audit import append_for_user
from app.db.vault import Vault
from app.errors import InvalidState, LimitExceeded
from app.integrations.delivery import MailDelivery
from app.integrations.mail import Mail
from app.models import User
from app.services.account import mail_tokens, people
from app.services.account.mail_tokens import Purpose
from app.unit_of_work import UnitOfWork

_USER = User.__table__  # type: ignore[attr-defined]
_ENTER_USER = text("SELECT set_config('app.user_id', :user, true)")


class EmailNotVerified(InvalidState):
    """Nobody is signed in with an address that is not verified, where BIZQ_REQUIRE_VERIFIED_EMAIL says so."""

    def __init__(self) -> None:
        super().__init__("Verify your e-mail address first: open the link in the mail that was sent to it.", ("email",))


async def verify_email(engine: AsyncEngine, token: str) -> None:
    """Raises InvalidCredentials for a token that does not work."""
    async with engine.begin() as connection:
        user_id = await mail_tokens.use(connection, Purpose.VERIFY_EMAIL, token)
        await connection.execute(_ENTER_USER, {"user": str(user_id)})
        await mark_verified(connection, user_id)
        await append_for_user(connection, user_id, clock.now(), "email.verify")


async def mark_verified(connection: AsyncConnection | AsyncSession, user_id: UUID) -> None:
    """The time of the first proof stays. To be called as the user."""
    first = func.coalesce(_USER.c.email_verified_at, func.now())
    await connection.execute(update(_USER).where(_USER.c.id == user_id).values(email_verified_at=first))


async def require_verified(
    engine: AsyncEngine, vault: Vault, mailer: MailDelivery, public_url: str, user_id: UUID
) -> None:
    """For who has shown their password: where the address is not verified, mails another link to it, as long as the
    limit allows, and raises EmailNotVerified."""
    async with engine.begin() as connection:
        await connection.execute(_ENTER_USER, {"user": str(user_id)})
        row = (await connection.execute(_address_of(user_id))).mappings().one()
        if row["email_verified_at"] is not None:
            return
        mail = await _mail_to(connection, user_id, people.email_of(vault, row), public_url)
    if mail is not None:
        mailer.send(mail)
    raise EmailNotVerified


async def resend_verification(uow: UnitOfWork, vault: Vault, public_url: str) -> None:
    """Another link to the caller's address. Raises InvalidState where it is verified, or LimitExceeded."""
    user_id = uow.person.user_id
    row = (await uow.session.execute(_address_of(user_id))).mappings().one()
    if row["email_verified_at"] is not None:
        raise InvalidState("Your e-mail address is verified already.")
    if not await send_verification(uow, user_id, people.email_of(vault, row), public_url):
        limit = mail_tokens.MOST_IN_PERIOD
        raise LimitExceeded(
            f"{limit} mails an hour are sent to one address; look into its spam folder.", limit=limit, actual=limit + 1
        )


async def send_verification(uow: UnitOfWork, user_id: UUID, email: str, public_url: str) -> bool:
    """False where so many were sent within the hour that this is none."""
    mail = await _mail_to(uow.session, user_id, email, public_url)
    if mail is not None:
        uow.send_mail(mail)
    return mail is not None


def _address_of(user_id: UUID) -> Select[Any]:
    return select(_USER.c.id, _USER.c.email, _USER.c.email_verified_at).where(_USER.c.id == user_id)


async def _mail_to(session: AsyncSession | AsyncConnection, user_id: UUID, email: str, public_url: str) -> Mail | None:
    """With a fresh link; None beyond the limit."""
    issued = await mail_tokens.issue(session, Purpose.VERIFY_EMAIL, user_id)
    if not issued.within_limit:
        return None
    link = mail_tokens.link(public_url, Purpose.VERIFY_EMAIL, issued.token)
    return Mail(
        to=email,
        subject="Verify your e-mail address",
        text=f"""Hello,

somebody, probably you, has signed up with this e-mail address. To show that you read it, open this link:

{link}

It works once, for 24 hours. If it was not you, do nothing.
""",
    )
