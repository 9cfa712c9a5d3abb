"""E-mail address and password for an access token."""

from uuid import UUID

from sqlalchemy import text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.errors import InvalidCredentials, InvalidInput
from app.services.account import passwords
from app.services.account.sign_up import normalized_email

_USER = text("SELECT user_id, password_hash FROM auth_user(:email)")


async def sign_in(engine: AsyncEngine, email: str, password: str) -> UUID:
    """The user's id. Raises InvalidCredentials, the same and after the same time for an unknown address."""
    try:
        login = normalized_email(email)
    except InvalidInput:
        login = ""
    async with engine.connect() as connection:
        user = (await connection.execute(_USER, {"email": login})).one_or_none()
    if not await passwords.verify(password, user.password_hash if user else None) or user is None:
        raise InvalidCredentials("E-mail address or password is wrong.", ("password",))
    user_id: UUID = user.user_id
    return user_id
