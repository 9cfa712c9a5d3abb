"""Sends mails behind the answers: nobody waits for a mail server, so nobody can tell by waiting who gets a mail."""

import asyncio
import contextlib
from collections.abc import Sequence

import structlog

from app.integrations.mail import Mail, Mailer, MailRefused, MailUnavailable

log = structlog.get_logger(__name__)

# Before the second, third and fourth try.
PAUSES = (1.0, 5.0, 25.0)
AT_ONCE = 4
MOST_WAITING = 1_000
DRAIN_SECONDS = 10.0
# The answer goes first: what writing and encrypting a mail takes of this process would tell that there is one.
HEAD_START_SECONDS = 0.2


class MailDelivery:
    """One a process. A mail that waits here is lost with the process: who misses one asks for another."""

    def __init__(self, mailer: Mailer, pauses: Sequence[float] = PAUSES) -> None:
        self._mailer = mailer
        self._pauses = pauses
        self._turn = asyncio.Semaphore(AT_ONCE)
        self._sending: set[asyncio.Task[None]] = set()
        self._closing = asyncio.Event()

    def send(self, mail: Mail) -> None:
        """Returns at once and never raises: a failure is in the log, without address or content."""
        if len(self._sending) >= MOST_WAITING:
            log.error("mail not sent: too many are waiting", waiting=len(self._sending))
            return
        task = asyncio.create_task(self._deliver(mail), name="send a mail")
        self._sending.add(task)
        task.add_done_callback(self._sending.discard)

    async def close(self) -> None:
        """What has tries left gets them now, without pauses; what is not sent in ten seconds is given up."""
        self._closing.set()
        if not self._sending:
            return
        _, late = await asyncio.wait(self._sending, timeout=DRAIN_SECONDS)
        for task in late:
            task.cancel()
        if late:
            log.error("mails not sent: the process stops", mails=len(late))
            await asyncio.wait(late)

    async def _deliver(self, mail: Mail) -> None:
        await self._wait(HEAD_START_SECONDS)
        try:
            for pause in (*self._pauses, None):
                try:
                    async with self._turn:
                        await self._mailer.send(mail)
                    return
                except MailUnavailable as error:
                    if pause is None:
                        log.error("mail not sent", reason=str(error))
                        return
                    log.warning("mail not sent yet", reason=str(error), next_try_seconds=pause)
                await self._wait(pause)
        except MailRefused as error:
            log.error("mail not sent", reason=str(error))
        except Exception as error:
            # The boundary of the task. Without the traceback, whose frames hold the mail.
            log.error("mail not sent: sending broke", reason=type(error).__name__)

    async def _wait(self, seconds: float) -> None:
        """Cut short when the process stops."""
        with contextlib.suppress(TimeoutError):
            async with asyncio.timeout(seconds):
                await self._closing.wait()
