"""One transaction of one caller, and what follows from its commit."""

from collections.abc import AsyncIterator, Iterable, Mapping
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app import clock
from app.db.audit import Entry, append, append_for_user
from app.db.reader import enter_workspace
from app.events.hub import Hub
from app.integrations.delivery import MailDelivery
from app.integrations.mail import Mail
from app.principal import Person, Principal, in_workspace
from app.queue.announcer import Announcer


def workspace_channel(workspace_id: UUID) -> str:
    """Where the watchers of a workspace's event log are woken."""
    return f"bizq:events:{workspace_id}"


# Where every process hears that somebody may do less, or more, than before.
ACCESS_CHANNEL = "bizq:access"


class UnitOfWork:
    """Raise inside to roll back, return to commit. Consequences are declared here and happen after the commit."""

    def __init__(self, session: AsyncSession, caller: Principal | Person) -> None:
        self.session = session
        self.caller = caller
        self.now: datetime = clock.now()
        self.events_logged = False
        self.tasks_queued = 0
        self.access_changed = False
        self.mails: list[Mail] = []
        self._audit: list[Entry] = []
        self._account_audit: list[tuple[str, Mapping[str, Any] | None]] = []

    @property
    def principal(self) -> Principal:
        """Raises Forbidden for a person who acts in no workspace."""
        return in_workspace(self.caller)

    @property
    def person(self) -> Person:
        """Raises Forbidden for an API key."""
        return self.caller.person

    def log_events(self) -> None:
        """Wake whoever watches this workspace."""
        self.events_logged = True

    def queue_tasks(self, count: int) -> None:
        """Tell the workers that so many more tasks are due."""
        self.tasks_queued += count

    def change_access(self) -> None:
        """Let every process look again at who is connected."""
        self.access_changed = True

    def send_mail(self, mail: Mail) -> None:
        """Nobody waits for it: neither this transaction nor the answer."""
        self.mails.append(mail)

    def audit(self, action: str, subject: str | None, data: Mapping[str, Any] | None = None) -> None:
        """Add to this workspace's audit log, in this transaction: `audit("api_key.create", "key_…", {"name": …})`.

        `subject` is the public id of what it is about. `data` holds no secret, e-mail address or name of a person.
        """
        self._audit.append(Entry.by(self.principal, self.now, action, subject, data))

    def audit_account(self, action: str, data: Mapping[str, Any] | None = None) -> None:
        """The same for what the caller does with their own account: to the log of each of their workspaces."""
        self._account_audit.append((action, data))

    async def write_audit(self) -> None:
        """The end of the transaction: the log's lock is taken last, and held for the commit alone."""
        if self._account_audit:
            # First, as it locks the logs of several workspaces, this one among them, in one order everywhere.
            for action, data in self._account_audit:
                await append_for_user(self.session, self.person.user_id, self.now, action, data)
            await enter_workspace(self.session, self.caller)
        if self._audit:
            await append(self.session, self.principal.workspace_id, self._audit)


class UnitOfWorkFactory:
    def __init__(self, engine: AsyncEngine, hub: Hub, announcer: Announcer, mailer: MailDelivery) -> None:
        self._engine = engine
        self._hub = hub
        self._announcer = announcer
        self._mailer = mailer

    @asynccontextmanager
    async def __call__(self, caller: Principal | Person) -> AsyncIterator[UnitOfWork]:
        async with AsyncSession(self._engine, expire_on_commit=False) as session:
            uow = UnitOfWork(session, caller)
            async with session.begin():
                await enter_workspace(session, caller)
                yield uow
                await uow.write_audit()
        for mail in uow.mails:
            self._mailer.send(mail)
        if uow.tasks_queued:
            self._announcer.announce(uow.tasks_queued)
        if uow.events_logged:
            await self._hub.publish(workspace_channel(uow.principal.workspace_id))
        if uow.access_changed:
            await self._hub.publish(ACCESS_CHANNEL)

    async def wake_watchers(self, workspaces: Iterable[UUID]) -> None:
        """After events were logged in these workspaces by other means than a unit of work."""
        await self._hub.publish_many({workspace_channel(workspace) for workspace in workspaces})

    async def announce(self, tasks: int, workspaces: Iterable[UUID]) -> None:
        """After so many tasks became due in these workspaces by other means than a unit of work."""
        if tasks:
            self._announcer.announce(tasks)
        await self.wake_watchers(workspaces)
