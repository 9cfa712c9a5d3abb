"""Behind the answers: mails are tried again, given up, and sent before the process ends."""

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any

import pytest
import structlog
from structlog.testing import capture_logs

from app.integrations import delivery
from app.integrations.console import ConsoleMailer, NoMailer
from app.integrations.delivery import MailDelivery
from app.integrations.mail import Mail
from app.integrations.smtp import SmtpMailer
from app.integrations.smtp import SmtpServer as Address
from app.unit_of_work import UnitOfWorkFactory
from tests.integration.conftest import Tenant
from tests.integration.mail.smtp_server import SmtpServer, smtp_server

MAIL = Mail("ann@example.com", "Hello", "the secret link")
Delivering = Callable[..., AbstractAsyncContextManager[tuple[MailDelivery, SmtpServer]]]


@pytest.fixture
def logs(monkeypatch: pytest.MonkeyPatch) -> Any:
    monkeypatch.setattr(delivery, "log", structlog.get_logger("delivery"))
    with capture_logs() as captured:
        yield captured


@asynccontextmanager
async def delivering(*pauses: float, **plan: object) -> AsyncIterator[tuple[MailDelivery, SmtpServer]]:
    async with smtp_server(**plan) as server:
        mailer = SmtpMailer(Address.parse(f"smtp://127.0.0.1:{server.port}"), "no-reply@example.com")
        yield MailDelivery(mailer, pauses), server


def of_mails(logs: Any) -> list[tuple[str, str, str | None]]:
    assert "ann@example.com" not in str(logs)
    assert "secret" not in str(logs)
    return [(entry["log_level"], entry["event"], entry.get("reason")) for entry in logs]


async def test_it_is_tried_again_until_the_server_takes_it(logs: Any) -> None:
    busy = {"RCPT": ["451 ann@example.com later", "451 ann@example.com later"]}
    async with delivering(0.01, 0.01, 0.01, answers=busy) as (mails, server):
        mails.send(MAIL)
        await server.wait_for(1)
        await mails.close()

    assert server.verbs.count("RCPT") == 3
    assert of_mails(logs) == [("warning", "mail not sent yet", "SMTPRecipientRefused 451")] * 2


async def test_it_is_given_up_after_the_last_try(logs: Any) -> None:
    async with delivering(0.01, 0.01, answers={"MAIL": ["451 no"] * 9}) as (mails, server):
        mails.send(MAIL)
        await server.wait_for_command("MAIL", 3)
        await mails.close()

    assert server.verbs.count("MAIL") == 3
    assert of_mails(logs)[2:] == [("error", "mail not sent", "SMTPSenderRefused 451")]


async def test_what_is_refused_for_good_is_not_tried_again(logs: Any) -> None:
    async with delivering(0.01, answers={"RCPT": ["550 nobody here"]}) as (mails, server):
        mails.send(MAIL)
        await server.wait_for_command("RCPT")
        await mails.close()

    assert server.verbs.count("RCPT") == 1
    assert of_mails(logs) == [("error", "mail not sent", "SMTPRecipientRefused 550")]


async def test_stopping_sends_at_once_what_waits_for_its_next_try(logs: Any) -> None:
    async with delivering(600, answers={"MAIL": ["451 no"]}) as (mails, server):
        mails.send(MAIL)
        await server.wait_for_command("MAIL")
        async with asyncio.timeout(5):
            await mails.close()

    assert len(server.mails) == 1


async def test_stopping_does_not_wait_long_for_a_server_that_hangs(logs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "DRAIN_SECONDS", 0.2)
    async with delivering(silent=frozenset({"MAIL"})) as (mails, server):
        mails.send(MAIL)
        await server.wait_for_command("MAIL")
        async with asyncio.timeout(5):
            await mails.close()

    assert of_mails(logs) == [("error", "mails not sent: the process stops", None)]


async def test_it_takes_no_more_than_so_many(logs: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delivery, "MOST_WAITING", 2)
    async with delivering() as (mails, server):
        for _ in range(3):
            mails.send(MAIL)
        await mails.close()

    assert len(server.mails) == 2
    assert of_mails(logs) == [("error", "mail not sent: too many are waiting", None)]


async def test_bug_of_a_mailer_is_logged_without_the_mail(logs: Any) -> None:
    class Broken:
        async def send(self, mail: Mail) -> None:
            raise RuntimeError(mail.text)

    mails = MailDelivery(Broken())
    mails.send(MAIL)
    await mails.close()

    assert of_mails(logs) == [("error", "mail not sent: sending broke", "RuntimeError")]


async def test_console_shows_the_mail_and_its_link(capsys: pytest.CaptureFixture[str]) -> None:
    await ConsoleMailer().send(MAIL)

    shown = capsys.readouterr().err
    assert [part in shown for part in ("To:      ann@example.com", "Subject: Hello", "  the secret link")] == [True] * 3


async def test_without_a_mail_server_nothing_of_a_mail_is_shown(logs: Any, capsys: pytest.CaptureFixture[str]) -> None:
    mails = MailDelivery(NoMailer())
    mails.send(MAIL)
    await mails.close()

    assert of_mails(logs) == [("error", "mail not sent", "this process has no SMTP_URL")]
    assert capsys.readouterr() == ("", "")


async def test_a_mail_follows_the_commit_and_a_rollback_sends_none(
    unit_of_work: UnitOfWorkFactory, tenant: Tenant
) -> None:
    async with delivering() as (mails, server):
        factory = UnitOfWorkFactory(unit_of_work._engine, unit_of_work._hub, unit_of_work._announcer, mails)
        with pytest.raises(ValueError, match="no"):
            async with factory(tenant.principal) as uow:
                uow.send_mail(Mail("eve@example.com", "Never", ""))
                raise ValueError("no")
        async with factory(tenant.principal) as uow:
            uow.send_mail(MAIL)
            assert server.commands == []
        await mails.close()

    assert [mail["To"] for mail in server.mails] == ["ann@example.com"]
