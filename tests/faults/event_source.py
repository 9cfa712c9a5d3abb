"""Events at a steady rate, written by the owner of the tables, past the service but as it would write them."""

import asyncio
import time
from collections.abc import Callable
from uuid import UUID

import asyncpg
from redis import asyncio as redis_asyncio

from app.unit_of_work import workspace_channel

TICK_SECONDS = 0.02
# For a person, as they have no routing: no worker takes them.
_TASKS = """
WITH made AS (
  INSERT INTO tasks (id, workspace_id, type, status, input, complexity, event_seq)
  SELECT gen_random_uuid(), $1, 'text.summarize', 'QUEUED', '{"text": "Snow delayed the parcel."}', 'NORMAL', 1
  FROM generate_series(1, $2::int) RETURNING *)
INSERT INTO task_events (task_id, seq, workspace_id, xid, kind, status, attempt, data, at)
SELECT id, 1, workspace_id, event_xid, 'CREATED', status, 0, '{}', clock_timestamp() FROM made"""


async def write_events(
    owner_url: str, redis_url: str, workspace: UUID, *, rate: int, seconds: float, at_each_tick: Callable[[], None]
) -> None:
    """`rate` new tasks a second, each with its first event; the workspace's watchers are woken after each commit."""
    connection = await asyncpg.connect(owner_url)
    redis = redis_asyncio.Redis.from_url(redis_url)
    begun, written, wanted = time.monotonic(), 0, round(rate * seconds)
    try:
        while written < wanted:
            due = min(wanted, int((time.monotonic() - begun) * rate)) - written
            if due:
                await connection.execute(_TASKS, workspace, due)
                await redis.publish(workspace_channel(workspace), "")
                written += due
            at_each_tick()
            await asyncio.sleep(TICK_SECONDS)
    finally:
        await redis.aclose()
        await connection.close()
