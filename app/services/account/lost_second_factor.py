"""For a user who has lost the authenticator app and the recovery codes. Works as the tables' owner."""

from uuid import UUID

from sqlalchemy import literal, select, update
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app import clock
from app.db.audit import append_for_user
from app.db.vault import Vault
from app.errors import InvalidInput, InvalidState
from app.models import Session, TotpFactor
from app.services.account import people, queries, totp_factor

_FACTOR = TotpFactor.__table__  # type: ignore[attr-defined]
_SESSION = Session.__table__  # type: ignore[attr-defined]


async def take_second_factor_off(engine: AsyncEngine, vault: Vault, email: str) -> UUID:
    """Whose it was; their sessions have ended. Raises InvalidInput or InvalidState, and then nothing has changed."""
    async with engine.begin() as connection:
        user_id = await _user_of(connection, vault, email)
        if user_id is None:
            raise InvalidInput(f"Nobody has the e-mail address {email}.", ("email",))
        active = (_FACTOR.c.user_id == user_id) & _FACTOR.c.confirmed_at.is_not(None)
        if (await connection.execute(select(literal(1)).where(active).with_for_update())).first() is None:
            raise InvalidState(f"{email} has no second factor.")
        await totp_factor.forget(connection, user_id)
        live = (_SESSION.c.user_id == user_id) & _SESSION.c.revoked_at.is_(None)
        await connection.execute(update(_SESSION).where(live).values(revoked_at=clock.now()))
        await append_for_user(connection, user_id, clock.now(), "mfa.disable", {"by": "operator"}, by_them=False)
    return user_id


async def _user_of(connection: AsyncConnection, vault: Vault, email: str) -> UUID | None:
    found = queries.user_ids_by_logins(people.logins(vault, people.normalized_email(email)))
    user_id: UUID | None = (await connection.execute(found)).scalar_one_or_none()
    return user_id
