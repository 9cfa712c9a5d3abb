"""Mails as the service writes them, and what sends one."""

from dataclasses import dataclass, field
from typing import Protocol


@dataclass(frozen=True, slots=True)
class Mail:
    """To one person. Neither address nor text is ever logged: the text may hold a link that lets somebody in."""

    to: str = field(repr=False)
    subject: str
    text: str = field(repr=False)


class MailUnavailable(Exception):
    """Not sent; the same mail may be in a moment. The message holds neither address nor text."""


class MailRefused(Exception):
    """Not sent, and trying again would not help. The message holds neither address nor text."""


class Mailer(Protocol):
    async def send(self, mail: Mail) -> None:
        """Returns when the mail is on its way. Raises MailUnavailable or MailRefused."""
