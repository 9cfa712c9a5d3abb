"""What is believed of the claims of another identity provider."""

from typing import Any

import pytest

from app.services.account.external_identities import ExternalPerson

CLAIMS = {
    "iss": "https://login.example.com",
    "sub": "1",
    "email": "Ann@Example.com",
    "email_verified": True,
    "name": "Ann",
}


def test_verified_address_is_kept_in_lower_case() -> None:
    person = ExternalPerson.of(CLAIMS)

    assert (person.email, person.name) == ("ann@example.com", "Ann")


@pytest.mark.parametrize("flag", [False, None, "false", "yes", 0, "1", [True]])
def test_address_that_is_not_verified_is_none(flag: Any) -> None:
    assert ExternalPerson.of({**CLAIMS, "email_verified": flag}).email is None


@pytest.mark.parametrize("email", [None, 1, "", "ann", "a\0@example.com", ["ann@example.com"], "a@b@example.com"])
def test_what_is_no_address_is_none(email: Any) -> None:
    assert ExternalPerson.of({**CLAIMS, "email": email}).email is None


@pytest.mark.parametrize("name", [None, 1, "", "  ", "\0", "\ud800"])
def test_who_has_no_name_is_called_by_their_address(name: Any) -> None:
    assert ExternalPerson.of({**CLAIMS, "name": name}).name == "ann"


def test_identity_is_of_issuer_and_subject_together() -> None:
    identities = {
        ExternalPerson(issuer, subject, None, "").identity
        for issuer, subject in (("a", "b"), ("a", "c"), ("ab", ""), ("", "ab"), ("b", "a"))
    }

    assert len(identities) == 5
    assert {len(identity) for identity in identities} == {32}
