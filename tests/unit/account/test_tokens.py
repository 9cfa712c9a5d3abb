"""Access tokens: ours are read, nothing else is."""

import base64
import socket
from contextlib import closing
from uuid import UUID

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

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
    assert signer.claims_of(forge(signer, changed={})).user_id == USER
    with pytest.raises(Unauthenticated, match="is not valid"):
        signer.claims_of(forge(signer, changed={claim: value}))


def forge(signer: TokenSigner, *, changed: dict[str, str | None], **header: object) -> str:
    """Signed with the right key, with other claims (None takes one out) and more in its header."""
    token = signer.issue(USER).text
    claims = jwt.decode(token, options={"verify_signature": False}) | changed
    kept = {name: content for name, content in claims.items() if content is not None}
    kid = jwt.get_unverified_header(token)["kid"]
    return jwt.encode(kept, signer._private, algorithm="EdDSA", headers={"kid": kid, **header})


@pytest.mark.parametrize("claim", ["exp", "iat", "sub", "iss", "aud"])
def test_claim_that_is_missing_is_refused(signer: TokenSigner, claim: str) -> None:
    with pytest.raises(Unauthenticated, match="is not valid"):
        signer.claims_of(forge(signer, changed={claim: None}))


def test_session_that_is_none_is_refused(signer: TokenSigner) -> None:
    for session in ("", "ses_x", ids.encode(ids.USER, USER)):
        with pytest.raises(Unauthenticated, match="is not valid"):
            signer.claims_of(forge(signer, changed={"sid": session}))


def test_key_that_a_token_brings_along_is_not_used(signer: TokenSigner) -> None:
    own = Ed25519PrivateKey.generate()
    public = own.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    jwk = {"kty": "OKP", "crv": "Ed25519", "x": base64.urlsafe_b64encode(public).decode().rstrip("=")}
    claims = jwt.decode(signer.issue(USER).text, options={"verify_signature": False})
    with closing(socket.create_server(("127.0.0.1", 0))) as elsewhere:
        elsewhere.setblocking(False)
        url = f"http://127.0.0.1:{elsewhere.getsockname()[1]}/keys"
        for kid in (jwt.get_unverified_header(signer.issue(USER).text)["kid"], "another"):
            header = {"kid": kid, "jwk": jwk, "jku": url, "x5u": url}
            with pytest.raises(Unauthenticated, match="is not valid"):
                signer.claims_of(jwt.encode(claims, own, algorithm="EdDSA", headers=header))
        with pytest.raises(BlockingIOError):
            elsewhere.accept()


def test_key_is_replaced_without_refusing_anybody() -> None:
    old, new = KEY, bytes(range(1, 33))
    before, added, moved = TokenSigner(old, 900), TokenSigner(old, 900, [new]), TokenSigner(new, 900, [old])

    for issuer in (before, added, moved):
        for reader in (added, moved):
            assert reader.claims_of(issuer.issue(USER).text).user_id == USER
    with pytest.raises(Unauthenticated, match="is not valid"):
        TokenSigner(new, 900).claims_of(before.issue(USER).text)


def test_published_keys_verify_tokens(signer: TokenSigner) -> None:
    published = jwt.PyJWKSet.from_dict(TokenSigner(bytes(range(1, 33)), 900, [KEY]).jwks())
    token = signer.issue(USER).text

    key = published[jwt.get_unverified_header(token)["kid"]]
    claims = jwt.decode(token, key, algorithms=["EdDSA"], audience="bizq", issuer="bizq")

    assert len(published.keys) == 2
    assert claims["sub"] == ids.encode(ids.USER, USER)
