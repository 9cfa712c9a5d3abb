"""What a worker process consists of, started in order and stopped in the opposite one."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from app.actors.runner import Runner
from app.actors.scheduler import Scheduler
from app.db.engine import create_engine
from app.db.guard import check_role
from app.events.client import redis_client
from app.events.hub import Hub
from app.events.output import OutputLog
from app.integrations.console import NoMailer
from app.integrations.delivery import MailDelivery
from app.providers.registry import build_providers
from app.queue.announcer import Announcer
from app.queue.broker import create_broker
from app.services.task.run import Toolbox
from app.settings import Settings
from app.unit_of_work import UnitOfWorkFactory

log = structlog.get_logger(__name__)


@asynccontextmanager
async def work(settings: Settings) -> AsyncIterator[Runner]:
    """Claims and runs tasks, and serves what time decides, on the running event loop; drains at the end."""
    async with AsyncExitStack() as stack:
        engine = create_engine(settings)
        stack.push_async_callback(engine.dispose)
        await check_role(engine)
        hub = Hub(settings.redis)
        await hub.start()
        stack.push_async_callback(hub.stop)
        announcer = Announcer(create_broker(settings.redis))
        stack.push_async_callback(announcer.close)
        redis = redis_client(settings.redis)
        stack.push_async_callback(redis.aclose)
        providers = build_providers(**settings.provider_options())
        stack.push_async_callback(providers.aclose)
        unit_of_work = UnitOfWorkFactory(engine, hub, announcer, MailDelivery(NoMailer()))
        runner = Runner(Toolbox(engine, unit_of_work, providers, OutputLog(redis)), settings)
        scheduler = Scheduler(engine, unit_of_work, settings, runner.look)
        scheduler.start()
        stack.push_async_callback(scheduler.stop)
        runner.start()
        # First of all the runner drains.
        stack.push_async_callback(runner.drain, settings.bizq_drain_seconds)
        log.info("worker ready", concurrency=settings.bizq_worker_concurrency, providers=providers.names())
        yield runner
    log.info("worker drained")
