"""What commands that work on the database themselves need of it."""

from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import dataclass

from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.engine import create_engine
from app.db.guard import check_role
from app.events.hub import Hub
from app.integrations.console import NoMailer
from app.integrations.delivery import MailDelivery
from app.queue.announcer import Announcer
from app.queue.broker import create_broker
from app.settings import Settings
from app.unit_of_work import UnitOfWorkFactory


@dataclass(frozen=True, slots=True)
class Database:
    engine: AsyncEngine
    unit_of_work: UnitOfWorkFactory


@asynccontextmanager
async def database(settings: Settings) -> AsyncIterator[Database]:
    """As the service sees it: as bizq_app, with commits that wake watchers and workers."""
    engine = create_engine(settings)
    await check_role(engine)
    hub = Hub(settings.redis)
    announcer = Announcer(create_broker(settings.redis))
    await hub.start()
    try:
        yield Database(engine, UnitOfWorkFactory(engine, hub, announcer, MailDelivery(NoMailer())))
    finally:
        await announcer.close()
        await hub.stop()
        await engine.dispose()
