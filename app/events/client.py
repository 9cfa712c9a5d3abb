"""How this package connects to Redis."""

from redis.asyncio import Redis
from redis.asyncio.retry import Retry
from redis.backoff import NoBackoff

CONNECT_SECONDS = 0.5


def redis_client(url: str) -> Redis:
    """A client whose every failure surfaces at once; its users set `asyncio.timeout` and decide on retries.

    - No retries, nor errors to retry on: the default of `Redis()` (not of `from_url`) is ten, which makes a publish
      to a Redis that is away last 3-4 s, and even with none redis-py reconnects and re-subscribes inside a failed
      read, without telling anybody that messages were missed.
    - No `socket_timeout`: redis-py applies it to writes with `asyncio.wait_for`, which on Python 3.11
      swallows a cancellation that arrives when the write is done. A task that was cancelled would live on.
    - RESP 2: RESP 3 brings nothing here but a longer handshake (HELLO, maintenance notifications).
    """
    return Redis.from_url(
        url,
        protocol=2,
        socket_timeout=None,
        socket_connect_timeout=CONNECT_SECONDS,
        retry=Retry(NoBackoff(), 0, supported_errors=()),
    )
