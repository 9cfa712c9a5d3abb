import base64

import pytest

from app.fakes.webhook import signed
from app.providers.standard_webhooks import Claim, NotAuthentic, claimed, verify

# The example of Standard Webhooks' own documentation.
SECRET = "whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSw"
BODY = b'{"test": 2432232314}'
SENT_AT = 1614265330
HEADERS = {
    "webhook-id": "msg_p5jXN8AQM9LWM0D4loKWxJek",
    "webhook-timestamp": str(SENT_AT),
    "webhook-signature": "v1,g0hM9SsE+OTPJTGt/tmIKtSyZlE3uFJELVlNIOLJ1OE=",
}


def check(body: bytes = BODY, now: float = SENT_AT, **changed: str) -> Claim:
    headers = {**HEADERS, **{f"webhook-{name}": value for name, value in changed.items()}}
    claim = claimed(headers, now)
    verify(claim, body, SECRET)
    return claim


@pytest.mark.parametrize("now", [SENT_AT - 300, SENT_AT, SENT_AT + 300])
def test_the_documented_example_is_authentic_for_five_minutes(now: float) -> None:
    assert check(now=now).identifier == HEADERS["webhook-id"]


@pytest.mark.parametrize("now", [SENT_AT - 301, SENT_AT + 301])
def test_another_time_is_refused(now: float) -> None:
    with pytest.raises(NotAuthentic, match="more than 300 seconds"):
        check(now=now)


def test_the_fakes_sign_in_the_same_way() -> None:
    assert signed(BODY, identifier=HEADERS["webhook-id"], timestamp=SENT_AT, secret=SECRET) == HEADERS


def test_one_good_signature_of_several_is_enough() -> None:
    wrong = base64.b64encode(bytes(32)).decode()

    assert check(signature=f"v1,{wrong} v2,anything {HEADERS['webhook-signature']}").signatures[0] == bytes(32)


@pytest.mark.parametrize(
    "signature",
    [
        f"v1,{base64.b64encode(bytes(32)).decode()}",
        "v1,AAAA",
        " ".join([f"v1,{base64.b64encode(bytes(32)).decode()}"] * 8 + [HEADERS["webhook-signature"]]),
    ],
)
def test_a_wrong_signature_is_refused(signature: str) -> None:
    with pytest.raises(NotAuthentic, match=r"The signature is wrong\."):
        check(signature=signature)


@pytest.mark.parametrize("changed", [{"id": "msg_other"}, {"timestamp": str(SENT_AT + 1)}])
def test_the_signature_covers_id_and_time(changed: dict[str, str]) -> None:
    with pytest.raises(NotAuthentic, match=r"The signature is wrong\."):
        check(**changed)


def test_the_signature_covers_the_body() -> None:
    with pytest.raises(NotAuthentic, match=r"The signature is wrong\."):
        check(BODY + b" ")


@pytest.mark.parametrize(
    "changed",
    [
        {"id": ""},
        {"id": "m" * 201},
        {"timestamp": ""},
        {"timestamp": "-1"},
        {"timestamp": "１６１４２６５３３０"},
        {"timestamp": "1e9"},
        {"signature": ""},
        {"signature": "v1a,AAAA"},
        {"signature": "v1,not base64!"},
    ],
)
def test_headers_that_say_nothing_are_refused(changed: dict[str, str]) -> None:
    with pytest.raises(NotAuthentic, match="are required"):
        check(**changed)
