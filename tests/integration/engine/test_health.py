"""Models that keep failing are not asked, and providers not more than their ceilings allow."""

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import suppress
from typing import Any

import pytest
from redis.asyncio import Redis

from app.actors.runner import Runner
from app.actors.work import work
from app.events import call_slots
from app.events.call_slots import CallSlots
from app.events.circuits import SharedCircuits
from app.events.client import redis_client
from app.events.hub import Hub
from app.fakes.faults import Fault, FaultKind
from app.providers.errors import ProviderError
from app.services.routing import ceilings as ceilings_module
from app.services.routing import circuit
from app.services.routing.ceilings import Ceilings
from app.services.routing.circuit import FAILURES_IN_A_ROW, CircuitState
from app.services.routing.configured import DEFAULT_MODELS
from app.services.routing.health import ModelHealth
from app.settings import Settings
from tests.integration.conftest import Fakes
from tests.integration.engine.desk import Desk
from tests.integration.engine.test_vendor_faults import errors_of

MODEL = f"openai/{DEFAULT_MODELS['openai']}"
NOWHERE = "redis://127.0.0.1:1/0"


@pytest.fixture
async def redis(settings: Settings) -> AsyncIterator[Redis]:
    client = redis_client(settings.redis)
    await client.delete("bizq:circuits", f"bizq:probe:{MODEL}", "bizq:calls:openai", "bizq:rate:openai")
    yield client
    await client.aclose()


Health = Callable[[], Awaitable[ModelHealth]]


@pytest.fixture
async def make_health(settings: Settings, redis: Redis) -> AsyncIterator[Health]:
    """One for each process."""
    made = list[tuple[ModelHealth, Hub]]()

    async def make() -> ModelHealth:
        hub = Hub(settings.redis)
        await hub.start()
        health = ModelHealth(SharedCircuits(redis), hub)
        await health.start()
        made.append((health, hub))
        return health

    yield make
    for health, hub in made:
        await health.stop()
        await hub.stop()


async def fail(health: ModelHealth, times: int = FAILURES_IN_A_ROW) -> None:
    for _ in range(times):
        with suppress(ProviderError):
            async with health.call(MODEL):
                raise ProviderError("openai", "overloaded", retryable=True)


async def until(holds: Callable[[], bool]) -> None:
    async with asyncio.timeout(5):
        while not holds():  # noqa: ASYNC110 what other processes tell has no event here
            await asyncio.sleep(0.01)


@pytest.fixture
def short_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(circuit, "FIRST_PAUSE_SECONDS", 0.5)
    monkeypatch.setattr(circuit, "LONGEST_PAUSE_SECONDS", 0.5)


async def test_what_one_process_finds_out_all_know(make_health: Health) -> None:
    here, there = await make_health(), await make_health()
    await fail(here)

    await until(lambda: MODEL in there.unhealthy())
    assert there.unhealthy()[MODEL].startswith("it keeps failing (overloaded), since ")
    with pytest.raises(ProviderError, match="not asked for the moment") as refused:
        async with there.call(MODEL):
            pytest.fail("an open circuit let a call through")
    assert refused.value.reason == "circuit_open"
    assert refused.value.retry_after is not None and 0 < refused.value.retry_after <= 5


async def test_a_refusal_is_no_failure(make_health: Health) -> None:
    health = await make_health()
    for _ in range(2 * FAILURES_IN_A_ROW):
        with suppress(ProviderError):
            async with health.call(MODEL):
                raise ProviderError("openai", "bad_request", retryable=False)

    assert health.circuits() == []


async def test_of_all_processes_one_call_tries_and_its_answer_closes(make_health: Health, short_pauses: None) -> None:
    here, there = await make_health(), await make_health()
    await fail(here)
    await until(lambda: [each.state(each.until) for each in there.circuits()] == [CircuitState.HALF_OPEN])
    await asyncio.sleep(0.5)

    async with there.call(MODEL):
        for health in (here, there):
            with pytest.raises(ProviderError, match="not asked"):
                async with health.call(MODEL):
                    pytest.fail("a second call was let through")

    assert there.circuits() == []
    await until(lambda: here.circuits() == [])


async def test_a_try_that_is_broken_off_lets_the_next_try(make_health: Health, short_pauses: None) -> None:
    health = await make_health()
    await fail(health)
    await asyncio.sleep(0.5)
    with pytest.raises(asyncio.CancelledError):
        async with health.call(MODEL):
            raise asyncio.CancelledError

    await fail(health, times=1)

    (opened,) = health.circuits()
    assert opened.times == 2


async def test_without_redis_each_process_knows_its_own_calls() -> None:
    client = redis_client(NOWHERE)
    health = ModelHealth(SharedCircuits(client), Hub(NOWHERE))
    await fail(health)

    assert list(health.unhealthy()) == [MODEL]
    await client.aclose()


async def test_a_model_that_keeps_failing_is_left_alone_and_no_task_is_lost(
    desk: Desk, worker: Runner, fakes: Fakes, redis: Redis, short_pauses: None
) -> None:
    fakes.faults.add(Fault("openai", FaultKind.OVERLOADED, times=FAILURES_IN_A_ROW))
    called = len(fakes.journal.calls("openai"))
    tasks = await desk.accept(8, max_attempts=6)
    ended = [await desk.ended(task_id, 30) for task_id in tasks]

    codes = [code for task_id in tasks for code in await errors_of(desk, task_id) if code is not None]
    assert [task["status"] for task in ended] == ["SUCCEEDED"] * 8
    assert codes.count("overloaded") == FAILURES_IN_A_ROW
    assert len(fakes.journal.calls("openai")) - called == FAILURES_IN_A_ROW + 8
    assert set(codes) == {"overloaded", "circuit_open"}
    assert await redis.hgetall("bizq:circuits") == {}  # type: ignore[misc]


async def test_the_next_model_goes_on_and_new_tasks_prefer_it(
    desk: Desk, worker: Runner, fakes: Fakes, redis: Redis, make_health: Health
) -> None:
    desk.route_to("openai", "anthropic")
    fakes.faults.add(Fault("openai", FaultKind.OVERLOADED, times=FAILURES_IN_A_ROW))
    for _ in range(FAILURES_IN_A_ROW):
        assert (await desk.ended(await desk.accept_one()))["routing"]["provider"] == "anthropic"
    called = len(fakes.journal.calls("openai"))
    task_id = await desk.accept_one()
    task = await desk.ended(task_id)

    assert await errors_of(desk, task_id) == ["circuit_open", None]
    assert task["routing"]["provider"] == "anthropic"
    assert len(fakes.journal.calls("openai")) == called
    assert list((await make_health()).unhealthy()) == [MODEL]


async def most_at_once(ceilings: list[Ceilings], calls: int, seconds: float = 0.05) -> int:
    under_way, most = 0, 0

    async def call(own: Ceilings) -> None:
        nonlocal under_way, most
        async with own.room("openai"):
            under_way += 1
            most = max(most, under_way)
            await asyncio.sleep(seconds)
            under_way -= 1

    await asyncio.gather(*(call(ceilings[number % len(ceilings)]) for number in range(calls)))
    return most


async def test_all_processes_together_keep_to_the_ceiling(redis: Redis) -> None:
    ceilings = [Ceilings(CallSlots(redis), {"openai": 3}, {}) for _ in range(2)]

    assert await most_at_once(ceilings, 12) == 3
    assert await ceilings[0].under_way("openai") == 0
    for each in ceilings:
        await each.stop()


async def test_without_redis_each_process_keeps_to_it(redis: Redis) -> None:
    client = redis_client(NOWHERE)
    ceilings = Ceilings(CallSlots(client), {"openai": 3}, {})

    assert await most_at_once([ceilings], 6) == 3
    assert await ceilings.under_way("openai") is None
    await client.aclose()


async def test_slots_of_a_killed_process_come_free(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(call_slots, "SLOT_SECONDS", 0.3)
    assert await CallSlots(redis).take("openai", 1) is not None
    ceilings = Ceilings(CallSlots(redis), {"openai": 1}, {})

    assert await most_at_once([ceilings], 1) == 1
    await ceilings.stop()


async def test_where_there_is_no_room_the_caller_is_told_when_to_come_again(
    redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ceilings_module, "PATIENCE_SECONDS", 0.2)
    ceilings = Ceilings(CallSlots(redis), {"openai": 1}, {})
    async with ceilings.room("openai"):
        with pytest.raises(ProviderError, match="no more calls") as full:
            async with ceilings.room("openai"):
                pytest.fail("there was room for two")

    assert (full.value.reason, full.value.retryable, full.value.retry_after) == ("at_ceiling", True, 2.0)
    await ceilings.stop()


async def test_no_more_calls_begin_in_a_minute_than_allowed(redis: Redis, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ceilings_module, "PATIENCE_SECONDS", 0.2)
    ceilings = Ceilings(CallSlots(redis), {}, {"openai": 20})

    async def call() -> bool:
        with suppress(ProviderError):
            async with ceilings.room("openai"):
                return True
        return False

    # A tenth of a minute's may come at once.
    assert sum([await call() for _ in range(5)]) == 2


async def test_a_ceiling_delays_tasks_and_fails_none(
    desk: Desk, service_settings: Settings, fakes: Fakes, redis: Redis, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(ceilings_module, "PATIENCE_SECONDS", 0.1)
    monkeypatch.setattr(ceilings_module, "COME_AGAIN_SECONDS", 0.1)
    fakes.faults.add(Fault("openai", FaultKind.SLOW, times=4, delay=0.01))
    changes: dict[str, Any] = {"bizq_provider_concurrency": {"openai": 2}}
    async with work(service_settings.model_copy(update=changes)):
        tasks = await desk.accept(6, max_attempts=1)
        ended = [await desk.ended(task_id, 30) for task_id in tasks]

    assert [task["status"] for task in ended] == ["SUCCEEDED"] * 6
    codes = {code for task_id in tasks for code in await errors_of(desk, task_id)}
    assert codes == {None, "at_ceiling"}
