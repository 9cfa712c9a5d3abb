"""The mailer that the settings name."""

from app.integrations.console import ConsoleMailer, NoMailer
from app.integrations.mail import Mailer
from app.integrations.smtp import SmtpMailer, SmtpServer
from app.settings import CONSOLE, Settings, SettingsError


def configured_mailer(settings: Settings) -> Mailer:
    """Raises SettingsError for an address that is none, and for a server without MAIL_FROM or BIZQ_PUBLIC_URL."""
    url = settings.mail_server
    if url is None:
        return NoMailer()
    if url == CONSOLE:
        return ConsoleMailer()
    try:
        server = SmtpServer.parse(url)
    except ValueError as error:
        raise SettingsError(f"SMTP_URL: {error}") from None
    return SmtpMailer(server, settings.mail_sender)
