"""Access tokens: ours are read, nothing else is."""

from uuid import UUID

import jwt
import pytest

from app import ids
from app.errors import Unauthenticated
from app.services.account.tokens import TokenSigner

KEY = bytes(range(32))
USER = ids.new_id()


@pytest.fixture
def signer() -> TokenSigner:
    return TokenSigner(KEY, 900)


def test_token_leads_back_to_its_user(signer: TokenSigner) -> None:
    token = signer.issue(USER)

    assert signer.claims_of(token.text).user_id == USER
    assert TokenSigner(KEY, 1).claims_of(token.text).user_id == USER


def test_token_says_how_long_it_lives_and_which_key_made_it(signer: TokenSigner) -> None:
    token = signer.issue(USER)
    claims = jwt.decode(token.text, options={"verify_signature": False})

    assert claims["exp"] - claims["iat"] == 900
    assert claims["exp"] == int(token.expires_at.timestamp())
    assert jwt.get_unverified_header(token.text)["alg"] == "EdDSA"
    assert len(jwt.get_unverified_header(token.text)["kid"]) == 16


def test_two_tokens_are_never_the_same(signer: TokenSigner) -> None:
    assert signer.issue(USER).text != signer.issue(USER).text


def test_expired_token_is_refused_as_such() -> None:
    with pytest.raises(Unauthenticated, match="has expired"):
        TokenSigner(KEY, 900).claims_of(TokenSigner(KEY, -1).issue(USER).text)


@pytest.mark.parametrize("text", ["", ".", "a.b.c", "é.é.é", "x" * 10_000, "\0"])
def test_what_is_no_token_is_refused(signer: TokenSigner, text: str) -> None:
    with pytest.raises(Unauthenticated, match="is not valid"):
        signer.claims_of(text)


def test_token_of_another_key_is_refused(signer: TokenSigner) -> None:
    with pytest.raises(Unauthenticated, match="is not valid"):
        signer.claims_of(TokenSigner(bytes(32), 900).issue(USER).text)


def test_token_that_was_changed_is_refused(signer: TokenSigner) -> None:
    head, body, signature = signer.issue(USER).text.split(".")
    other_body = signer.issue(UUID(int=1)).text.split(".")[1]

    for forged in (f"{head}.{other_body}.{signature}", f"{head}.{body}.", f"{head}.{body}"):
        with pytest.raises(Unauthenticated, match="is not valid"):
            signer.claims_of(forged)


@pytest.mark.parametrize(
    ("claim", "value"),
    [
        ("aud", "elsewhere"),
        ("iss", "elsewhere"),
        ("sub", "usr_x"),
        ("sub", "task_" + "0" * 26),
        ("sub", ""),
        ("exp", None),
    ],
)
def test_claim_that_is_not_ours_is_refused(signer: TokenSigner, claim: str, value: str | None) -> None:
    claims = jwt.decode(signer.issue(USER).text, options={"verify_signature": False})
    claims = {name: content for name, content in (claims | {claim: value}).items() if content is not None}
    forged = jwt.encode(claims, signer._private, algorithm="EdDSA")

    with pytest.raises(Unauthenticated, match="is not valid"):
        signer.claims_of(forged)
