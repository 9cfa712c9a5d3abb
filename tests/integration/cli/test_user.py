"""`bizq user`, on the database as its owner."""

from collections.abc import Awaitable, Callable
from datetime import UTC, datetime

import httpx
import pyotp
import pytest

from app.settings import Settings
from tests.integration.api.accounts import Person, new_email
from tests.integration.api.answers import refusals
from tests.integration.cli.conftest import Result, Start
from tests.integration.mfa.people import CONFIRM, ENROL, PASSWORD, SIGN_IN

User = Callable[..., Awaitable[Result]]


@pytest.fixture
def disable(start: Start, settings: Settings) -> User:
    async def disable(*arguments: str) -> Result:
        assert settings.bizq_encryption_key is not None
        variables = {
            "DATABASE_URL": settings.app_database_url,
            "DATABASE_OWNER_URL": settings.owner_database_url,
            "BIZQ_ENCRYPTION_KEY": settings.bizq_encryption_key.get_secret_value(),
        }
        return await (await start("user", "disable-mfa", *arguments, **variables)).result()

    return disable


@pytest.fixture
def person(http: httpx.AsyncClient, api: str) -> Person:
    return Person(http, api, new_email())


async def switch_on(person: Person) -> str:
    """The refresh token of the session."""
    signed_up = await person.sign_up()
    token: str = signed_up["accessToken"]
    secret = (await person.ask(ENROL, token, password=PASSWORD))["secret"]
    await person.ask(CONFIRM, token, code=pyotp.TOTP(secret).at(datetime.now(UTC)))
    refresh_token: str = signed_up["refreshToken"]
    return refresh_token


async def challenged(person: Person) -> bool:
    payload = await person.ask(SIGN_IN, input={"email": person.email, "password": PASSWORD})
    assert payload["errors"] == []
    return payload["mfaChallenge"] is not None


async def test_locked_out_user_signs_in_with_the_password_again(person: Person, disable: User) -> None:
    refresh_token = await switch_on(person)

    result = await disable(person.email.upper(), "--yes")

    assert (result.code, result.err) == (0, "")
    assert result.out.startswith("The second factor of usr_")
    assert refusals(await person.refresh(refresh_token)) == [("INVALID_CREDENTIALS", ["refreshToken"])]
    assert not await challenged(person)


async def test_without_yes_it_explains_and_does_nothing(person: Person, disable: User) -> None:
    refresh_token = await switch_on(person)

    result = await disable(person.email)

    assert (result.code, result.out) == (1, "")
    assert result.err == (
        f"error The password alone will sign {person.email} in, and all their sessions will end. Make sure, by another "
        "way than e-mail, that it is them who ask. Then repeat it with --yes.\n"
    )
    assert await challenged(person)
    assert (await person.refresh(refresh_token))["errors"] == []


async def test_user_without_one_keeps_the_sessions(person: Person, disable: User) -> None:
    refresh_token = (await person.sign_up())["refreshToken"]

    result = await disable(person.email, "--yes")

    assert (result.code, result.err) == (1, f"error {person.email} has no second factor.\n")
    assert (await person.refresh(refresh_token))["errors"] == []


@pytest.mark.parametrize(
    ("email", "message"),
    [
        ("nobody@example.com", "Nobody has the e-mail address nobody@example.com."),
        ("no address", "This is not an e-mail address."),
    ],
)
async def test_unknown_user_is_one_line(disable: User, email: str, message: str) -> None:
    result = await disable(email, "--yes")

    assert (result.code, result.out, result.err) == (1, "", f"error {message}\n")
