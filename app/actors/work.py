"""What a worker process consists of, started in order and stopped in the opposite one."""

from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager

import structlog

from app.actors.runner import Runner
from app.actors.scheduler import Scheduler
from app.db.engine import create_engine
from app.db.guard import check_encryption_keys, check_role
from app.db.hot import Hot
from app.db.vault import Vault
from app.events.call_slots import CallSlots
from app.events.circuits import SharedCircuits
from app.events.client import redis_client
from app.events.hub import Hub
from app.events.output import OutputLog
from app.integrations.console import NoMailer
from app.integrations.delivery import MailDelivery
from app.providers.own import Reach
from app.providers.registry import build_providers
from app.queue.announcer import Announcer
from app.queue.broker import create_broker
from app.services.provider.clients import OwnProviders
from app.services.routing.ceilings import Ceilings
from app.services.routing.health import ModelHealth
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
        hot = Hot(settings)
        await hot.start()
        stack.push_async_callback(hot.close)
        vault = Vault(settings.encryption_keys)
        await check_encryption_keys(engine, vault)
        hub = Hub(settings.redis)
        await hub.start()
        stack.push_async_callback(hub.stop)
        announcer = Announcer(create_broker(settings.redis))
        stack.push_async_callback(announcer.close)
        redis = redis_client(settings.redis)
        stack.push_async_callback(redis.aclose)
        providers = build_providers(**settings.provider_options(), listen=hub.listen)
        stack.push_async_callback(providers.aclose)
        own = OwnProviders(engine, vault, Reach.of(settings))
        stack.push_async_callback(own.aclose)
        unit_of_work = UnitOfWorkFactory(engine, hub, announcer, MailDelivery(NoMailer()))
        health = ModelHealth(SharedCircuits(redis), hub)
        await health.start()
        stack.push_async_callback(health.stop)
        ceilings = Ceilings(CallSlots(redis), settings.bizq_provider_concurrency, settings.bizq_provider_rate)
        stack.push_async_callback(ceilings.stop)
        tools = Toolbox(hot, unit_of_work, providers, OutputLog(redis), own, health, ceilings)
        runner = Runner(tools, settings)
        scheduler = Scheduler(engine, unit_of_work, settings, runner.look)
        scheduler.start()
        stack.push_async_callback(scheduler.stop)
        runner.start()
        # First of all the runner drains.
        stack.push_async_callback(runner.drain, settings.bizq_drain_seconds)
        log.info("worker ready", concurrency=settings.bizq_worker_concurrency, providers=providers.names())
        yield runner
    log.info("worker drained")
