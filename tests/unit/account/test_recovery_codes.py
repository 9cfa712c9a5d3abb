"""Recovery codes as they are made, and as people write them."""

import re
from uuid import UUID

import pytest

from app.services.account import recovery_codes

USER = UUID(int=1)
CODE = "0123-abcd-1xyz-0000"


def test_code_is_80_random_bits_in_four_groups() -> None:
    codes = {recovery_codes._new_code() for _ in range(200)}

    assert len(codes) == 200
    assert all(re.fullmatch(r"([0-9a-hjkmnp-tv-z]{4}-){3}[0-9a-hjkmnp-tv-z]{4}", code) for code in codes)
    assert {character for code in codes for character in code} == {*recovery_codes._ALPHABET, "-"}


@pytest.mark.parametrize("written", [CODE.upper(), "0123 abcd 1xyz 0000", "0123abcdlxyzOOoo", "oi23-ABCD-Ixyz-0000 "])
def test_what_looks_the_same_is_the_same_code(written: str) -> None:
    assert recovery_codes.hash_of(USER, written) == recovery_codes.hash_of(USER, CODE)


@pytest.mark.parametrize("other", ["", "0123-abcd-1xyz-0001", "0123-abcd-1xyz-000", "\ud800"])
def test_any_other_is_another(other: str) -> None:
    assert recovery_codes.hash_of(USER, other) != recovery_codes.hash_of(USER, CODE)


def test_hash_is_of_user_and_code() -> None:
    assert recovery_codes.hash_of(USER, CODE) != recovery_codes.hash_of(UUID(int=2), CODE)
