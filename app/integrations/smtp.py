"""Mails over SMTP (RFC 5321), through TLS that is verified (RFC 8314, or STARTTLS: RFC 3207)."""

import asyncio
import contextlib
import ssl
from dataclasses import dataclass, field
from email.message import EmailMessage
from email.utils import formatdate, make_msgid, parseaddr
from urllib.parse import parse_qs, unquote, urlsplit

import aiosmtplib
from aiosmtplib import SMTPException, SMTPNotSupported, SMTPRecipientsRefused, SMTPResponseException

from app.integrations.mail import Mail, MailRefused, MailUnavailable

# For connecting and for each answer of the server; then for all of it together.
ANSWER_SECONDS = 10.0
SEND_SECONDS = 30.0
_SHAPE = "is not an address such as smtps://user:password@host:465 or smtp://host:587?starttls"


@dataclass(frozen=True, slots=True)
class SmtpServer:
    """`tls`: from the first byte; `starttls`: from the first command on, and never without."""

    host: str
    port: int
    tls: bool
    starttls: bool
    user: str | None = None
    password: str | None = field(default=None, repr=False)

    @classmethod
    def parse(cls, url: str) -> "SmtpServer":
        """`smtps://user:password@host:465`, `smtp://host:587?starttls`. Raises ValueError, never with the password."""
        try:
            parts = urlsplit(url)
            port = parts.port
        except ValueError:
            # It would show a part of what may be the password.
            raise ValueError(_SHAPE) from None
        options = set(parse_qs(parts.query, keep_blank_values=True))
        tls, starttls = parts.scheme == "smtps", "starttls" in options
        if parts.scheme not in ("smtp", "smtps") or not parts.hostname or options - {"starttls"} or (tls and starttls):
            raise ValueError(_SHAPE)
        if parts.password is not None and not (tls or starttls):
            raise ValueError("would send a password that anybody can read: use smtps://, or add ?starttls")
        if (parts.username is None) != (parts.password is None):
            raise ValueError("names a user and a password, or neither: smtps://user:password@host:465")
        return cls(
            host=parts.hostname,
            port=port or (465 if tls else 587 if starttls else 25),
            tls=tls,
            starttls=starttls,
            user=unquote(parts.username) if parts.username is not None else None,
            password=unquote(parts.password) if parts.password is not None else None,
        )


class SmtpMailer:
    """A connection for each mail: there are few, and a connection that is kept is one that may be dead."""

    def __init__(self, server: SmtpServer, sender: str) -> None:
        self._server = server
        self._sender = sender
        # Trusts what the system trusts, and checks the name.
        self._tls = ssl.create_default_context() if server.tls or server.starttls else None

    async def send(self, mail: Mail) -> None:
        server = self._server
        client = aiosmtplib.SMTP(
            hostname=server.host,
            port=server.port,
            username=server.user,
            password=server.password,
            timeout=ANSWER_SECONDS,
            use_tls=server.tls,
            start_tls=server.starttls,
            tls_context=self._tls,
        )
        try:
            async with asyncio.timeout(SEND_SECONDS):
                await client.connect()
                await client.send_message(_message(mail, self._sender))
            # The server has it: sending it again, because the farewell failed, would be once too often.
            with contextlib.suppress(SMTPException):
                await client.quit()
        except SMTPRecipientsRefused as error:
            raise _failure(error.recipients[0]) from None
        except (SMTPException, OSError, TimeoutError) as error:
            raise _failure(error) from None
        finally:
            client.close()


def _message(mail: Mail, sender: str) -> EmailMessage:
    message = EmailMessage()
    message["From"] = sender
    message["To"] = mail.to
    # Of what people type, so it may hold a line break, which would begin another header.
    message["Subject"] = " ".join(mail.subject.split())
    message["Date"] = formatdate()
    message["Message-ID"] = make_msgid(domain=parseaddr(sender)[1].rpartition("@")[2])
    # So that no out-of-office note comes back (RFC 3834).
    message["Auto-Submitted"] = "auto-generated"
    message.set_content(mail.text)
    return message


def _failure(error: Exception) -> MailUnavailable | MailRefused:
    """Without the server's words, which repeat the address. 4xx heals by itself, 5xx does not (RFC 5321, 4.2.1)."""
    if isinstance(error, SMTPResponseException):
        kind = MailRefused if error.code >= 500 else MailUnavailable
        return kind(f"{type(error).__name__} {error.code}")
    # The bare class is what the server cannot do, such as STARTTLS.
    lasting = type(error) in (SMTPException, SMTPNotSupported)
    return MailRefused(type(error).__name__) if lasting else MailUnavailable(type(error).__name__)
