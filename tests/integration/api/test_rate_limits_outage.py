"""An API whose Redis goes away and comes back: limits go on, and no request waits for it twice."""

import asyncio
import time
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
from pydantic import SecretStr

from tests.integration.api.conftest import OwnApi
from tests.integration.conftest import Tenant
from tests.integration.events.redis_process import RedisProcess
from tests.integration.graphql_client import Gql

ONE_POINT = "{ viewer { role } }"


@pytest.fixture
def own_redis(tmp_path: Path) -> Iterator[RedisProcess]:
    server = RedisProcess(tmp_path)
    server.start()
    yield server
    server.kill()


async def left(caller: Gql) -> int:
    answer = await caller.raw(ONE_POINT)
    assert "errors" not in answer.json(), answer.text
    return int(answer.headers["x-ratelimit-remaining"])


async def test_limits_go_on_without_redis_and_with_it_again(
    own_api: OwnApi, own_redis: RedisProcess, tenant: Tenant, http: httpx.AsyncClient
) -> None:
    redis_url = SecretStr(own_redis.url)
    async with own_api(redis_url=redis_url, bizq_rate_points=20, bizq_rate_seconds=600) as url:
        caller = Gql(http, url, tenant.api_key)
        assert [await left(caller) for _ in range(5)] == [19, 18, 17, 16, 15]

        own_redis.kill()
        assert [await left(caller) for _ in range(20)] == list(range(19, -1, -1))
        refused = (await caller.errors(ONE_POINT))[0]["extensions"]
        assert (refused["code"], refused["limit"]) == ("THROTTLED", 20)

        own_redis.start()
        async with asyncio.timeout(10):
            while "errors" in (answer := await caller.raw(ONE_POINT)).json():  # noqa: ASYNC110
                await asyncio.sleep(0.02)
        # Redis has come back empty.
        assert int(answer.headers["x-ratelimit-remaining"]) == 19


async def test_a_redis_that_hangs_holds_up_one_request(
    executed_once: None, own_api: OwnApi, own_redis: RedisProcess, tenant: Tenant, http: httpx.AsyncClient
) -> None:
    async with own_api(redis_url=SecretStr(own_redis.url), bizq_rate_points=100) as url:
        caller = Gql(http, url, tenant.api_key)
        await left(caller)
        took = []

        own_redis.freeze()
        for _ in range(11):
            began = time.monotonic()
            await left(caller)
            took.append(time.monotonic() - began)
        own_redis.thaw()

    others = sorted(took[1:])
    assert 0.05 <= took[0] < 0.5
    assert others[len(others) // 2] < 0.05
