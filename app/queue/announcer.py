"""Tells the workers that there is work, without making a request wait for Redis."""

import asyncio
import time
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import redis
import structlog
from dramatiq import Broker, Message
from dramatiq.errors import BrokerConnectionError

from app.queue.jobs import QUEUE, RUN_TASKS

log = structlog.get_logger(__name__)
PAUSE_SHARE = 3
MAX_PAUSE_SECONDS = 0.015


class Announcer:
    """Sends one message for all tasks announced while the last one was on its way, and for a few milliseconds after.

    `Broker.enqueue` blocks, so it runs in a thread of its own. A message that Redis did not take is not repeated:
    the row says that the task is due, and workers look for due rows every second anyway.
    """

    def __init__(self, broker: Broker) -> None:
        self._broker = broker
        self._thread = ThreadPoolExecutor(max_workers=1, thread_name_prefix="announce")
        self._waiting = 0
        self._sending: asyncio.Task[None] | None = None

    def announce(self, tasks: int) -> None:
        self._waiting += tasks
        if self._sending is None or self._sending.done():
            self._sending = asyncio.create_task(self._send())

    async def close(self) -> None:
        if self._sending is not None:
            await self._sending
        self._thread.shutdown(wait=True)
        self._broker.close()

    async def _send(self) -> None:
        loop = asyncio.get_running_loop()
        while self._waiting:
            began, tasks, self._waiting = time.monotonic(), self._waiting, 0
            message: Message[Any] = Message(
                queue_name=QUEUE, actor_name=RUN_TASKS, args=(tasks,), kwargs={}, options={}
            )
            try:
                await loop.run_in_executor(self._thread, self._broker.enqueue, message)
            except (BrokerConnectionError, redis.RedisError) as error:
                log.warning("tasks not announced; workers will find them", tasks=tasks, reason=type(error).__name__)
            # A message costs both ends more than the task it announces: in a burst the next waits for company.
            await asyncio.sleep(min(PAUSE_SHARE * (time.monotonic() - began), MAX_PAUSE_SECONDS))
