"""The mailer of a machine without a mail server: whoever develops reads the mails in the log of the API."""

import sys

from app.integrations.mail import Mail, MailRefused

_RULE = "─" * 72


class ConsoleMailer:
    """Writes to standard error, links and all. For `SMTP_URL=console:`, which `bizq up` sets where nothing else is."""

    async def send(self, mail: Mail) -> None:
        text = "\n".join(f"  {line}".rstrip() for line in mail.text.splitlines())
        sys.stderr.write(f"{_RULE}\n  To:      {mail.to}\n  Subject: {mail.subject}\n\n{text}\n{_RULE}\n")
        sys.stderr.flush()


class NoMailer:
    """Where SMTP_URL is not set, and in processes that send none.

    Nothing of the mail is shown: a log that many read is no place for a link that lets somebody in.
    """

    async def send(self, mail: Mail) -> None:
        raise MailRefused("this process has no SMTP_URL")
