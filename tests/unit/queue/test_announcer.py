import asyncio
import threading
from typing import Any

import pytest
import redis
from dramatiq import Message
from dramatiq.brokers.stub import StubBroker

from app.queue.announcer import Announcer
from app.queue.jobs import QUEUE, RUN_TASKS


class SlowBroker(StubBroker):
    """`enqueue` waits for `open`, as it does on a slow Redis, then fails as often as `failures` says."""

    def __init__(self) -> None:
        super().__init__(middleware=[])
        self.open = threading.Event()
        self.entered = threading.Event()
        self.failures: list[Exception] = []
        self.messages: list[Message[Any]] = []

    def enqueue(self, message: Message[Any], *, delay: int | None = None) -> Message[Any]:
        self.entered.set()
        assert self.open.wait(5)
        if self.failures:
            raise self.failures.pop()
        self.messages.append(message)
        return message


@pytest.fixture
def broker() -> SlowBroker:
    return SlowBroker()


async def entered(broker: SlowBroker) -> None:
    assert await asyncio.to_thread(broker.entered.wait, 5)


async def test_an_announcement_is_one_message_with_the_number_of_tasks(broker: SlowBroker) -> None:
    broker.open.set()
    announcer = Announcer(broker)
    announcer.announce(3)
    await announcer.close()

    (message,) = broker.messages
    assert (message.queue_name, message.actor_name, message.args) == (QUEUE, RUN_TASKS, (3,))


async def test_all_that_is_announced_meanwhile_travels_in_one_message(broker: SlowBroker) -> None:
    announcer = Announcer(broker)
    announcer.announce(1)
    await entered(broker)
    for _ in range(500):
        announcer.announce(2)
    broker.open.set()
    await announcer.close()

    assert [message.args for message in broker.messages] == [(1,), (1000,)]


async def test_announcing_never_waits(broker: SlowBroker) -> None:
    announcer = Announcer(broker)
    began = asyncio.get_running_loop().time()
    announcer.announce(1)
    await entered(broker)
    await asyncio.sleep(0.01)

    assert asyncio.get_running_loop().time() - began < 1
    broker.open.set()
    await announcer.close()


@pytest.mark.parametrize("error", [redis.ConnectionError, redis.TimeoutError, redis.ResponseError])
async def test_a_redis_that_fails_costs_one_message_and_no_announcer(broker: SlowBroker, error: type) -> None:
    broker.failures = [error("away")]
    broker.open.set()
    announcer = Announcer(broker)
    announcer.announce(1)
    await announcer._sending  # type: ignore[misc]
    announcer.announce(2)
    await announcer.close()

    assert [message.args for message in broker.messages] == [(2,)]
