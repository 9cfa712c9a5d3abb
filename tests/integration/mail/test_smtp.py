"""Mails to a real mail server, which takes them, refuses them, is slow, or is not there."""

import asyncio
from pathlib import Path

import pytest

from app.embedded.port import free_port
from app.integrations import smtp
from app.integrations.mail import Mail, MailRefused, MailUnavailable
from app.integrations.smtp import SmtpMailer, SmtpServer
from tests.integration.mail.certificate import certificate
from tests.integration.mail.smtp_server import smtp_server

SENDER = "BizQ <no-reply@example.com>"
MAIL = Mail("ann@example.com", "Grüße", "Hello Ann,\n\nhttps://app.example.com/verify-email#token=abc\n")


def mailer(url: str) -> SmtpMailer:
    return SmtpMailer(SmtpServer.parse(url), SENDER)


async def test_mail_arrives_as_it_was_written() -> None:
    async with smtp_server() as server:
        await mailer(f"smtp://127.0.0.1:{server.port}").send(MAIL)

    (mail,) = server.mails
    assert (mail["From"], mail["To"], mail["Subject"]) == (SENDER, "ann@example.com", "Grüße")
    assert mail.get_content().replace("\r\n", "\n") == MAIL.text
    assert mail["Message-ID"].endswith("@example.com>")
    assert [verb for verb in server.verbs if verb != "EHLO"] == ["MAIL", "RCPT", "DATA", "QUIT"]


async def test_line_breaks_in_a_subject_do_not_become_headers() -> None:
    async with smtp_server() as server:
        await mailer(f"smtp://127.0.0.1:{server.port}").send(Mail("ann@example.com", "Hi\r\nBcc: eve@x.org", "Hello"))

    assert (server.mails[0]["Subject"], server.mails[0]["Bcc"]) == ("Hi Bcc: eve@x.org", None)


@pytest.mark.parametrize(
    ("command", "answer", "expected", "said"),
    [
        ("CONNECT", "421 too busy for ann@example.com", MailUnavailable, "SMTPConnectResponseError 421"),
        ("MAIL", "550 not from you", MailRefused, "SMTPSenderRefused 550"),
        ("RCPT", "450 ann@example.com greylisted", MailUnavailable, "SMTPRecipientRefused 450"),
        ("RCPT", "550 no ann@example.com here", MailRefused, "SMTPRecipientRefused 550"),
        ("CONTENT", "452 disk full", MailUnavailable, "SMTPDataError 452"),
        ("CONTENT", "554 looks like spam", MailRefused, "SMTPDataError 554"),
    ],
)
async def test_refusal_is_for_now_or_for_good_and_does_not_repeat_the_address(
    command: str, answer: str, expected: type[Exception], said: str
) -> None:
    async with smtp_server(answers={command: [answer]}) as server:
        with pytest.raises(expected) as refused:
            await mailer(f"smtp://127.0.0.1:{server.port}").send(MAIL)

    assert str(refused.value) == said
    assert server.mails == []


async def test_server_that_is_down_may_be_back_later() -> None:
    with pytest.raises(MailUnavailable, match=r"^SMTPConnectError$"):
        await mailer(f"smtp://127.0.0.1:{free_port()}").send(MAIL)


@pytest.mark.parametrize("command", ["CONNECT", "EHLO", "RCPT"])
async def test_server_that_does_not_answer_is_given_up(monkeypatch: pytest.MonkeyPatch, command: str) -> None:
    monkeypatch.setattr(smtp, "ANSWER_SECONDS", 0.2)
    async with smtp_server(silent=frozenset({command})) as server, asyncio.timeout(5):
        with pytest.raises(MailUnavailable, match="Timeout"):
            await mailer(f"smtp://127.0.0.1:{server.port}").send(MAIL)


async def test_password_goes_through_tls_only(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tls, trusted = certificate(tmp_path)
    monkeypatch.setenv("SSL_CERT_FILE", str(trusted))

    async with smtp_server(tls=tls) as server:
        await mailer(f"smtp://ann:pa%2Fss@127.0.0.1:{server.port}?starttls").send(MAIL)

    assert server.logins == ["\0ann\0pa/ss"]
    assert server.verbs.index("STARTTLS") < server.verbs.index("AUTH")
    assert len(server.mails) == 1


@pytest.mark.parametrize("address", ["127.0.0.1", "192.0.2.1"], ids=["nobody trusts it", "of another server"])
async def test_wrong_certificate_gets_neither_password_nor_mail(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str
) -> None:
    tls, trusted = certificate(tmp_path, address)
    if address != "127.0.0.1":
        monkeypatch.setenv("SSL_CERT_FILE", str(trusted))

    async with smtp_server(tls=tls) as server:
        with pytest.raises(MailUnavailable):
            await mailer(f"smtp://ann:secret@127.0.0.1:{server.port}?starttls").send(MAIL)

    assert (server.logins, server.mails) == ([], [])


async def test_server_without_tls_gets_no_mail_where_tls_is_asked_for() -> None:
    async with smtp_server() as server:
        with pytest.raises(MailRefused):
            await mailer(f"smtp://ann:secret@127.0.0.1:{server.port}?starttls").send(MAIL)

    assert (server.logins, server.mails) == ([], [])
