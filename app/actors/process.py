"""The worker process: Dramatiq's threads take the messages, one event loop does the work."""

import asyncio
import signal
import threading
from contextlib import AsyncExitStack
from types import FrameType
from typing import Any

import dramatiq
import uvloop
from dramatiq.asyncio import get_event_loop_thread
from dramatiq.middleware import Middleware

from app.actors.run_tasks import declare
from app.actors.runner import Runner
from app.actors.work import work
from app.queue.broker import create_broker
from app.queue.jobs import QUEUE
from app.settings import Settings

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
        self._stack = AsyncExitStack()

    def look(self) -> None:
        if self._runner is not None:
            self._runner.look()

    def after_worker_boot(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        _on_loop(self._start())

    def before_worker_shutdown(self, broker: dramatiq.Broker, worker: dramatiq.Worker) -> None:
        _on_loop(self._stack.aclose())

    async def _start(self) -> None:
        self._runner = await self._stack.enter_async_context(work(self._settings))


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
