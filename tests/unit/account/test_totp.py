"""Codes as RFC 6238 computes them."""

import base64
from datetime import UTC, datetime, timedelta

import pytest

from app.services.account import totp

# RFC 6238, appendix B, the rows of SHA-1. They have 8 digits; with 6 the code is their end.
SECRET = base64.b32encode(b"12345678901234567890").decode()
VECTORS = [
    (59, 0x1, "94287082"),
    (1111111109, 0x23523EC, "07081804"),
    (1111111111, 0x23523ED, "14050471"),
    (1234567890, 0x273EF07, "89005924"),
    (2000000000, 0x3F940AA, "69279037"),
    (20000000000, 0x27BC86AA, "65353130"),
]
NOW = datetime.fromtimestamp(1111111111, UTC)
CODE = "050471"


@pytest.mark.parametrize(("seconds", "step", "code"), VECTORS)
def test_codes_are_those_of_the_rfc(seconds: int, step: int, code: str) -> None:
    now = datetime.fromtimestamp(seconds, UTC)

    assert totp.matching_step(SECRET, code[-totp.DIGITS :], now) == step


# The step of NOW begins 1 s before it.
@pytest.mark.parametrize(("seconds", "accepted"), [(-32, False), (-31, True), (0, True), (58, True), (59, False)])
def test_code_is_good_in_its_step_and_those_beside_it(seconds: int, accepted: bool) -> None:
    found = totp.matching_step(SECRET, CODE, NOW + timedelta(seconds=seconds))

    assert found == (0x23523ED if accepted else None)


@pytest.mark.parametrize(
    "code", ["", "05047", "0504710", "050472", "05 471", "+50471", "０５０４７１", "abcdef", "\0" * 6]
)
def test_anything_else_is_no_code(code: str) -> None:
    assert totp.matching_step(SECRET, code, NOW) is None


def test_secret_is_160_random_bits() -> None:
    secrets = {totp.new_secret() for _ in range(20)}

    assert len(secrets) == 20
    assert {len(base64.b32decode(secret)) for secret in secrets} == {20}


def test_uri_names_issuer_and_account() -> None:
    assert totp.provisioning_uri(SECRET, "ann+x@example.com") == (
        f"otpauth://totp/BizQ:ann%2Bx%40example.com?secret={SECRET}&issuer=BizQ"
    )
