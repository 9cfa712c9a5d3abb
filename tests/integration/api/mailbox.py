"""An API that sends mails, and the mailboxes that they arrive in."""

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass
from typing import Any

import httpx
from pydantic import SecretStr

from tests.integration.api.accounts import ERRORS, Person, new_email
from tests.integration.api.conftest import OwnApi
from tests.integration.mail.smtp_server import SmtpServer, smtp_server

REQUEST_RESET = f"mutation($email: String!) {{ requestPasswordReset(email: $email) {{ {ERRORS} }} }}"
RESET = f"mutation($t: String!, $new: String!) {{ resetPassword(token: $t, newPassword: $new) {{ {ERRORS} }} }}"
VERIFY = f"mutation($t: String!) {{ verifyEmail(token: $t) {{ {ERRORS} }} }}"
RESEND = f"mutation {{ resendVerification {{ {ERRORS} }} }}"
FRONTEND = "https://app.example.com"
_LINK = re.compile(rf"^{FRONTEND}/([a-z-]+)#token=(bzt_[\w-]{{43}})$", re.MULTILINE)


@dataclass(frozen=True, slots=True)
class Mailing:
    http: httpx.AsyncClient
    url: str
    server: SmtpServer

    def person(self, email: str | None = None) -> Person:
        return Person(self.http, self.url, email or new_email())

    async def links(self, email: str, page: str, count: int = 1) -> list[str]:
        """The tokens of the mails that an address got about something, oldest first, when there are so many."""
        while len(found := self._found(email, page)) < count:
            await self.server.wait_for(len(self.server.mails) + 1)
        return found

    async def link(self, email: str, page: str) -> str:
        return (await self.links(email, page))[0]

    def _found(self, email: str, page: str) -> list[str]:
        mails = [mail.get_content() for mail in self.server.mails if mail["To"] == email]
        return [token for mail in mails for name, token in _LINK.findall(mail.replace("\r", "")) if name == page]


@asynccontextmanager
async def mailing(own_api: OwnApi, http: httpx.AsyncClient, **changes: Any) -> AsyncIterator[Mailing]:
    """Mails that are on their way arrive before the end: the API sends them before it stops."""
    async with smtp_server() as server:
        mail = {
            "smtp_url": SecretStr(f"smtp://127.0.0.1:{server.port}"),
            "mail_from": "no-reply@example.com",
            "bizq_public_url": FRONTEND,
        }
        async with own_api(**mail, **changes) as url:
            yield Mailing(http, url, server)
