"""Passwords: stored as argon2id, compared the same way whoever asks."""

import pytest

from app.errors import InvalidInput
from app.services.account import passwords


async def test_password_fits_its_own_hash_only() -> None:
    hashed = await passwords.hash_password("correct horse")

    assert hashed.startswith("$argon2id$")
    assert await passwords.verify("correct horse", hashed)
    assert not await passwords.verify("correct horsf", hashed)
    assert not await passwords.verify("", hashed)


async def test_same_password_has_another_hash_each_time() -> None:
    assert await passwords.hash_password("correct horse") != await passwords.hash_password("correct horse")


@pytest.mark.parametrize("hashed", [None, "", "plain text", "$argon2id$broken"])
async def test_nothing_fits_a_hash_that_is_none(hashed: str | None) -> None:
    assert not await passwords.verify("nobody has this password", hashed)


@pytest.mark.parametrize("length", [8, 200])
def test_ends_of_the_length_are_accepted(length: int) -> None:
    passwords.check_length("x" * length)


@pytest.mark.parametrize("length", [0, 7, 201])
def test_other_lengths_are_refused(length: int) -> None:
    with pytest.raises(InvalidInput) as refused:
        passwords.check_length("x" * length)

    assert refused.value.path == ("password",)
