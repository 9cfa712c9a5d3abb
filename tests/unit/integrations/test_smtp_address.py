import pytest

from app.integrations.smtp import SmtpServer


@pytest.mark.parametrize(
    ("url", "server"),
    [
        ("smtps://ann:secret@mail.example.com", SmtpServer("mail.example.com", 465, True, False, "ann", "secret")),
        ("smtps://mail.example.com:4650", SmtpServer("mail.example.com", 4650, True, False)),
        ("smtp://a%40b:p%2Fw@mail:2525?starttls", SmtpServer("mail", 2525, False, True, "a@b", "p/w")),
        ("smtp://mail?starttls", SmtpServer("mail", 587, False, True)),
        ("smtp://localhost", SmtpServer("localhost", 25, False, False)),
    ],
)
def test_address_says_where_and_how(url: str, server: SmtpServer) -> None:
    assert SmtpServer.parse(url) == server


@pytest.mark.parametrize(
    ("url", "reason"),
    [
        ("http://mail", "is not an address"),
        ("smtp://", "is not an address"),
        ("smtps://mail?starttls", "is not an address"),
        ("smtp://mail?verify=no", "is not an address"),
        ("smtp://ann:se/cret@mail?starttls", "is not an address"),
        ("smtp://ann:secret@mail", "would send a password that anybody can read"),
        ("smtps://ann@mail", "names a user and a password, or neither"),
    ],
)
def test_wrong_address_is_refused_without_showing_the_password(url: str, reason: str) -> None:
    with pytest.raises(ValueError, match=f"^{reason}") as refused:
        SmtpServer.parse(url)

    assert "secret" not in str(refused.value).replace("user:password@host", "")
    assert "se/" not in str(refused.value)


def test_password_is_not_part_of_its_representation() -> None:
    assert "secret" not in repr(SmtpServer.parse("smtps://ann:secret@mail"))
