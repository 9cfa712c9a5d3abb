import socket
import time

import pytest
import redis
from dramatiq import Message

from app.queue.broker import create_broker
from app.queue.jobs import QUEUE, RUN_TASKS


def test_a_redis_that_accepts_and_never_answers_is_given_up(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.queue.broker._SOCKET_TIMEOUT_SECONDS", 0.2)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        broker = create_broker(f"redis://127.0.0.1:{silent.getsockname()[1]}/0")
        began = time.monotonic()
        with pytest.raises(redis.RedisError):
            broker.enqueue(Message(queue_name=QUEUE, actor_name=RUN_TASKS, args=(1,), kwargs={}, options={}))
        broker.close()

    assert time.monotonic() - began < 5


def test_nothing_of_dramatiq_decides_about_tasks() -> None:
    broker = create_broker("redis://127.0.0.1:1/0")

    assert [type(middleware).__name__ for middleware in broker.middleware] == ["AsyncIO"]
    assert broker.get_declared_queues() == {QUEUE}
    broker.close()
