import asyncio

from redis.asyncio import Redis

from app.actors.work import work
from app.services.task.lifecycle import TERMINAL
from app.settings import Settings
from tests.integration.engine.desk import Desk


async def all_ended(desk: Desk) -> list[str]:
    statuses: list[str] = []
    async with asyncio.timeout(20):
        while not statuses or not set(statuses) <= TERMINAL:
            await asyncio.sleep(0.05)
            rows = await desk.rows(
                "SELECT status FROM tasks WHERE workspace_id = :id", id=desk.tenant.account.workspace_id
            )
            statuses = [row["status"] for row in rows]
    return statuses


async def test_a_flushed_redis_costs_no_task(desk: Desk, service_settings: Settings) -> None:
    await desk.accept(20)
    async with Redis.from_url(service_settings.redis) as redis:
        await redis.flushall()
        async with work(service_settings.model_copy(update={"bizq_workspace_concurrency": 5})):
            await desk.until((await desk.accept(1))[0], lambda task: True)
            await redis.flushall()
            statuses = await all_ended(desk)

    assert statuses == ["SUCCEEDED"] * 21
    attempts = await desk.rows(
        "SELECT number FROM task_attempts WHERE workspace_id = :id", id=desk.tenant.account.workspace_id
    )
    assert [row["number"] for row in attempts] == [1] * 21
