"""Dramatiq's broker over Redis. Messages are only reasons to look: the work itself stands in PostgreSQL."""

import redis
from dramatiq.brokers.redis import RedisBroker
from dramatiq.middleware import AsyncIO, Middleware

from app.queue.jobs import QUEUE

# A dead worker's messages come back only in maintenance, by default on one command in a thousand.
_HEARTBEAT_TIMEOUT_MS = 15_000
_MAINTENANCE_CHANCE = 10_000
_SOCKET_TIMEOUT_SECONDS = 5


def create_broker(redis_url: str) -> RedisBroker:
    """A broker without Dramatiq's retries, time limits and results: the task row has its own."""
    middleware: list[Middleware] = [AsyncIO()]
    # Given an address, Dramatiq makes a client without any timeout, which a Redis that hangs would hold for ever.
    client = redis.Redis.from_url(
        redis_url, socket_connect_timeout=_SOCKET_TIMEOUT_SECONDS, socket_timeout=_SOCKET_TIMEOUT_SECONDS
    )
    broker = RedisBroker(  # type: ignore[no-untyped-call]
        client=client,
        middleware=middleware,
        namespace="bizq",
        heartbeat_timeout=_HEARTBEAT_TIMEOUT_MS,
        maintenance_chance=_MAINTENANCE_CHANCE,
    )
    broker.declare_queue(QUEUE)
    return broker
