"""One transaction in one workspace, and what follows from its commit."""

from collections.abc import AsyncIterator, Iterable
from contextlib import asynccontextmanager
from datetime import datetime
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine, AsyncSession

from app import clock
from app.db.reader import enter_workspace
from app.events.hub import Hub
from app.principal import Principal
from app.queue.announcer import Announcer


def workspace_channel(workspace_id: UUID) -> str:
    """Where the watchers of a workspace's event log are woken."""
    return f"bizq:events:{workspace_id}"


# Where every process hears that somebody may do less, or more, than before.
ACCESS_CHANNEL = "bizq:access"


class UnitOfWork:
    """Raise inside to roll back, return to commit. Consequences are declared here and happen after the commit."""

    def __init__(self, session: AsyncSession, principal: Principal) -> None:
        self.session = session
        self.principal = principal
        self.now: datetime = clock.now()
        self.events_logged = False
        self.tasks_queued = 0
        self.access_changed = False

    def log_events(self) -> None:
        """Wake whoever watches this workspace."""
        self.events_logged = True

    def queue_tasks(self, count: int) -> None:
        """Tell the workers that so many more tasks are due."""
        self.tasks_queued += count

    def change_access(self) -> None:
        """Let every process look again at who is connected."""
        self.access_changed = True


class UnitOfWorkFactory:
    def __init__(self, engine: AsyncEngine, hub: Hub, announcer: Announcer) -> None:
        self._engine = engine
        self._hub = hub
        self._announcer = announcer

    @asynccontextmanager
    async def __call__(self, principal: Principal) -> AsyncIterator[UnitOfWork]:
        async with AsyncSession(self._engine, expire_on_commit=False) as session:
            uow = UnitOfWork(session, principal)
            async with session.begin():
                await enter_workspace(session, principal)
                yield uow
        if uow.tasks_queued:
            self._announcer.announce(uow.tasks_queued)
        if uow.events_logged:
            await self._hub.publish(workspace_channel(principal.workspace_id))
        if uow.access_changed:
            await self._hub.publish(ACCESS_CHANNEL)

    async def wake_watchers(self, workspaces: Iterable[UUID]) -> None:
        """After events were logged in these workspaces by other means than a unit of work."""
        await self._hub.publish_many({workspace_channel(workspace) for workspace in workspaces})

    async def announce(self, tasks: int, workspaces: Iterable[UUID]) -> None:
        """After so many tasks became due in these workspaces by other means than a unit of work."""
        self._announcer.announce(tasks)
        await self.wake_watchers(workspaces)
