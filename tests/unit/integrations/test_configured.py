"""Which mailer the settings name, and where the links in mails lead."""

import pytest
from pydantic import SecretStr, ValidationError

from app.integrations.configured import configured_mailer
from app.integrations.console import ConsoleMailer, NoMailer
from app.integrations.smtp import SmtpMailer
from app.settings import Settings, SettingsError

SERVER = SecretStr("smtps://ann:secret@mail.example.com")
MAIL = {"mail_from": "no-reply@example.com", "bizq_public_url": "https://app.example.com/"}


def test_mails_go_nowhere_to_the_console_or_to_a_server() -> None:
    assert isinstance(configured_mailer(Settings()), NoMailer)
    assert isinstance(configured_mailer(Settings(smtp_url=SecretStr("console:"))), ConsoleMailer)
    assert isinstance(configured_mailer(Settings(smtp_url=SERVER, **MAIL)), SmtpMailer)


@pytest.mark.parametrize("missing", ["mail_from", "bizq_public_url"])
def test_a_server_needs_a_sender_and_an_address_for_links(missing: str) -> None:
    with pytest.raises(SettingsError, match=f"^{missing.upper()} is not set, but SMTP_URL is"):
        configured_mailer(Settings(smtp_url=SERVER, **{name: value for name, value in MAIL.items() if name != missing}))


@pytest.mark.parametrize("url", ["smtp://ann:secret@mail", "smtps://mail?starttls", "smtps://ann:sec/ret@mail"])
def test_wrong_server_is_named_and_its_password_is_not_shown(url: str) -> None:
    with pytest.raises(SettingsError, match=r"^SMTP_URL: ") as refused:
        configured_mailer(Settings(smtp_url=SecretStr(url), **MAIL))

    assert "sec" not in refused.value.message


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("smtp_url", "mail.example.com"),
        ("smtp_url", "console"),
        ("mail_from", "nobody"),
        ("mail_from", "a@example.com\nBcc: b@example.com"),
        ("bizq_public_url", "app.example.com"),
        ("bizq_public_url", "https://app.example.com/?a=b"),
        ("bizq_public_url", "https://app.example.com/#/"),
    ],
)
def test_wrong_value_is_refused_when_settings_are_read(name: str, value: str) -> None:
    with pytest.raises(ValidationError, match=r"is (not )?an address"):
        Settings(**{name: value})


@pytest.mark.parametrize(
    ("settings", "url"),
    [
        ({"bizq_public_url": "https://app.example.com/"}, "https://app.example.com"),
        ({"bizq_public_url": "https://example.com/app"}, "https://example.com/app"),
        ({"bizq_port": 8123}, "http://127.0.0.1:8123"),
        ({"bizq_host": "0.0.0.0"}, "http://localhost:8000"),
        ({"bizq_host": "::1"}, "http://[::1]:8000"),
    ],
)
def test_links_lead_to_the_frontend(settings: dict[str, object], url: str) -> None:
    assert Settings(**settings).public_url == url  # type: ignore[arg-type]
