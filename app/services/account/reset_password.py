"""Another password for who forgot theirs and reads the mails of the account's address."""

from uuid import UUID

from sqlalchemy import select, text, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import clock
from app.db.audit import append_for_user
from app.db.vault import Vault
from app.integrations.delivery import MailDelivery
from app.integrations.mail import Mail
from app.models import User
from app.services.account import lockout, mail_tokens, passwords, people, sessions, verification
from app.services.account.lockout import Attempt
from app.services.account.mail_tokens import Purpose
from app.services.account.people import normalized_email
from app.services.account.sign_in import user_with_password

_USER = User.__table__  # type: ignore[attr-defined]
_ENTER_USER = text("SELECT set_config('app.user_id', :user, true)")
_PLACE = "mail_tokens.key"


async def request_password_reset(
    engine: AsyncEngine, vault: Vault, mailer: MailDelivery, public_url: str, email: str
) -> None:
    """Mails a link, if somebody signs in with this address and a password. Nothing tells whether that is so: the
    same statements run, and nobody waits for the mail. Raises InvalidInput for what is no address.

    Who signs in through another identity provider has no password, and does not get one past that provider.
    """
    email = normalized_email(email)
    user_id = await user_with_password(engine, vault, email)
    async with engine.begin() as connection:
        issued = await mail_tokens.issue(connection, Purpose.RESET_PASSWORD, user_id, key=vault.index(_PLACE, email))
    if user_id is not None and issued.within_limit:
        mailer.send(_mail(email, mail_tokens.link(public_url, Purpose.RESET_PASSWORD, issued.token)))


async def reset_password(engine: AsyncEngine, vault: Vault, token: str, new: str, client: str | None) -> None:
    """Ends all sessions of the user and the locks that failures to sign in brought. It signs nobody in, and leaves a
    second factor as it is: who has the mailbox alone does not get in. The address counts as verified.

    Raises InvalidInput, or InvalidCredentials for a token that does not work.
    """
    passwords.check_length(new, "newPassword")
    # Hashing is dear, so not for everybody who makes a token up; and no transaction waits for it.
    async with engine.connect() as connection:
        await mail_tokens.find(connection, Purpose.RESET_PASSWORD, token)
    password_hash = await passwords.hash_password(new)
    async with engine.begin() as connection:
        user_id = await mail_tokens.use(connection, Purpose.RESET_PASSWORD, token)
        await connection.execute(_ENTER_USER, {"user": str(user_id)})
        await _set_password(connection, user_id, password_hash)
        await verification.mark_verified(connection, user_id)
        await sessions.end_all(connection, user_id, clock.now())
        me = select(_USER.c.id, _USER.c.email).where(_USER.c.id == user_id)
        email = people.email_of(vault, (await connection.execute(me)).mappings().one())
        await lockout.unlock(connection, Attempt.of(vault, email, client))
        await append_for_user(connection, user_id, clock.now(), "password.reset")


async def _set_password(connection: AsyncConnection, user_id: UUID, password_hash: str) -> None:
    await connection.execute(update(_USER).where(_USER.c.id == user_id).values(password_hash=password_hash))


def _mail(email: str, link: str) -> Mail:
    return Mail(
        to=email,
        subject="Choose a new password",
        text=f"""Hello,

somebody, probably you, has asked for a new password for the account with this e-mail address. To choose one, open
this link:

{link}

It works once, for an hour. You will be signed out everywhere. If it was not you, do nothing: the password stays as
it is.
""",
    )
