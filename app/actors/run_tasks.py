"""The Dramatiq actor. Its message is only a reason to look: what to do is read from PostgreSQL."""

from collections.abc import Callable

import dramatiq

from app.queue.jobs import QUEUE, RUN_TASKS


def declare(broker: dramatiq.Broker, look: Callable[[], None]) -> None:
    """Let the broker's messages call `look` on the worker's event loop."""

    @dramatiq.actor(broker=broker, queue_name=QUEUE, actor_name=RUN_TASKS)
    async def run_tasks(announced: int) -> None:
        look()
