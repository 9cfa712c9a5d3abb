"""The worker process: Dramatiq's threads take the messages, one event loop does the work."""

import asyncio
import signal
import threading
from contextlib import AsyncExitStack
from types import FrameType
from typing import Any

import dramatiq
import structlog
import uvloop
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.middleware import Middleware

from app.actors.run_tasks import declare
from app.actors.runner import Runner
from app.db.engine import create_engine
from app.db.guard import check_role
from app.events.client import redis_client
from app.events.hub import Hub
from app.events.output import OutputLog
from app.providers.registry import build_providers
from app.queue.announcer import Announcer
from app.queue.broker import create_broker
from app.queue.jobs import QUEUE
from app.services.task.run import Toolbox
from app.settings import Settings
from app.unit_of_work import UnitOfWorkFactory

log = structlog.get_logger(__name__)
# Messages only wake the runner, which has its own concurrency.
MESSAGE_THREADS = 2
# Dramatiq polls Redis and, while there is nothing, waits up to this long; its default of a second would be the time
# that a task waits for an idle worker. Polling this often costs an idle worker 8 % of a core.
IDLE_POLL_MS = 20


class RunnerMiddleware(Middleware):
    """Starts and drains the runner on Dramatiq's event loop, with everything that is bound to that loop."""

    def __init__(self, settings: Settings) -> None:
        self._settings = settings
        self._runner: Runner | None = None
        # Opened in order, closed in the opposite one: first of all the runner drains.
        self._stack = AsyncExitStack()

    def look(self) -> None:
        if self._runner is not None:
            self._runner.look()

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        _on_loop(self._start())

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        _on_loop(self._stop())

    async def _start(self) -> None:
        settings, stack = self._settings, self._stack
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
        unit_of_work = UnitOfWorkFactory(engine, hub, announcer)
        self._runner = Runner(Toolbox(engine, unit_of_work, providers, OutputLog(redis)), settings)
        self._runner.start()
        stack.push_async_callback(self._runner.drain, settings.bizq_drain_seconds)
        log.info("worker ready", concurrency=settings.bizq_worker_concurrency, providers=providers.names())

    async def _stop(self) -> None:
        await self._stack.aclose()
        log.info("worker drained")


def _on_loop(coroutine: Any) -> None:
    thread = get_event_loop_thread()
    if thread is None:
        coroutine.close()
        raise RuntimeError("Dramatiq's AsyncIO middleware has not started its event loop.")
    thread.run_coroutine(coroutine)


def serve(settings: Settings) -> None:
    """Work until SIGTERM or SIGINT, then drain."""
    asyncio.set_event_loop_policy(uvloop.EventLoopPolicy())
    broker = create_broker(settings.redis)
    runner = RunnerMiddleware(settings)
    broker.add_middleware(runner)
    declare(broker, runner.look)
    stop = threading.Event()

    def on_signal(number: int, frame: FrameType | None) -> None:
        stop.set()

    signal.signal(signal.SIGTERM, on_signal)
    signal.signal(signal.SIGINT, on_signal)
    worker = dramatiq.Worker(broker, queues={QUEUE}, worker_threads=MESSAGE_THREADS, worker_timeout=IDLE_POLL_MS)
    worker.start()
    stop.wait()
    worker.stop()
    broker.close()
