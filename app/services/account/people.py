"""Who somebody is, sealed on the way into the database and opened on the way out."""

from typing import Any
from uuid import UUID

from email_validator import EmailNotValidError, validate_email
from sqlalchemy import RowMapping, insert, text
from sqlalchemy.ext.asyncio import AsyncSession

from app.db.sealed import USER_EMAIL, USER_NAME
from app.db.vault import Vault
from app.errors import InvalidInput
from app.models import User

_HOLD_EMAIL = text("SELECT auth_hold_email(:indexes)")


def sealed(vault: Vault, user_id: UUID, *, email: str, name: str) -> dict[str, bytes]:
    """Columns of `users`. `email` is in lower case."""
    return {
        "email": vault.seal(USER_EMAIL.place, user_id, email),
        "email_index": vault.index(USER_EMAIL.place, email),
        "name": vault.seal(USER_NAME.place, user_id, name),
    }


def opened(vault: Vault, row: RowMapping) -> dict[str, Any]:
    """A row of `users` with e-mail address and name as text. Raises Unreadable."""
    return {**row, "email": email_of(vault, row), "name": vault.open(USER_NAME.place, row["id"], row["name"])}


def email_of(vault: Vault, row: RowMapping) -> str:
    """Raises Unreadable."""
    return vault.open(USER_EMAIL.place, row["id"], row["email"])


def logins(vault: Vault, email: str) -> list[bytes]:
    """What `users.email_index` may be for this address."""
    return vault.indexes(USER_EMAIL.place, email)


async def add_user(
    session: AsyncSession, vault: Vault, user_id: UUID, *, email: str, name: str, password_hash: str | None
) -> bool:
    """False where somebody has the address, whichever key of the ring it was written under.

    Until this transaction ends, another one that adds the same address waits here: so it does not help to be first
    under another key, and the index's own uniqueness, which holds for one key, is not what decides.
    """
    if not (await session.execute(_HOLD_EMAIL, {"indexes": logins(vault, email)})).scalar_one():
        return False
    columns = sealed(vault, user_id, email=email, name=name)
    await session.execute(insert(User).values(id=user_id, password_hash=password_hash, **columns))
    return True


def normalized_email(text: str) -> str:
    try:
        return validate_email(text, check_deliverability=False).normalized.lower()
    except EmailNotValidError:
        raise InvalidInput("This is not an e-mail address.", ("email",)) from None
