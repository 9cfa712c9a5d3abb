"""Whose turn it is, with queues that are very long or very many."""

import statistics
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from uuid import UUID

import pytest

from app.services.task.claim import FIRST_TURN, Turn
from app.services.workspace import shares
from tests.conftest import Servers
from tests.integration.engine.conftest import MakeDesk
from tests.integration.engine.desk import Desk
from tests.integration.engine.plans import plans_of

LAST_TURN = Turn(UUID(int=2**128 - 1), 1)
DEEP = 50_000
NO_LIMIT = 1_000_000
CLAIM = "SELECT * FROM claim_tasks('plan', 25, 1000000, interval '30 seconds', $1, $2)"


@asynccontextmanager
async def piled(desk: Desk, count: int, *workspaces: UUID, **columns: str) -> AsyncIterator[None]:
    """A queue of so many in each workspace, as long as the block lasts."""
    await desk.pile(count, *workspaces, **columns)
    try:
        yield
    finally:
        await desk.clear(*workspaces)


async def turns(desk: Desk, tasks: int, *, most: int, turn: Turn = FIRST_TURN) -> list[UUID]:
    """The workspaces that one worker serves, in their order, claiming `most` at a time until it has so many tasks."""
    served: list[UUID] = []
    while len(served) < tasks:
        batch = await desk.claim(most, per_workspace=NO_LIMIT, turn=turn)
        assert batch, f"nothing to claim after {len(served)} tasks"
        served += [task["workspace_id"] for task in batch]
        turn = turn.after(batch)
    return served


async def median_claim(desk: Desk) -> float:
    """Seconds that a claim of 25 takes which begins at the oldest workspace."""
    took = []
    for _ in range(9):
        began = time.perf_counter()
        batch = await desk.claim(25, per_workspace=NO_LIMIT)
        took.append(time.perf_counter() - began)
        assert len(batch) == 25
    return statistics.median(took)


async def test_a_deep_queue_delays_a_single_task_by_no_more_than_a_batch(make_desk: MakeDesk) -> None:
    before, busy, behind = await make_desk(), await make_desk(), await make_desk()
    deep = busy.tenant.account.workspace_id
    async with piled(busy, DEEP, priority="1"):
        for most in (25, 2, 1):
            for turn in (FIRST_TURN, Turn(before.tenant.account.workspace_id, 1), Turn(deep, 1), LAST_TURN):
                for quiet in (before, behind):
                    single = await quiet.accept_one(priority=9)

                    await turns(busy, 2 * most, most=most, turn=turn)

                    assert (await quiet.task(single))["status"] == "RUNNING", (most, turn)


async def test_a_deep_queue_of_a_heavy_workspace_delays_by_no_more_than_a_batch(make_desk: MakeDesk) -> None:
    busy, quiet = await make_desk(), await make_desk()
    await busy.change("UPDATE workspaces SET weight = 25 WHERE id = :id", id=busy.tenant.account.workspace_id)
    async with piled(busy, 500):
        single = await quiet.accept_one()

        await turns(busy, 50, most=25)

        assert (await quiet.task(single))["status"] == "RUNNING"


async def test_two_hundred_workspaces_are_served_once_before_any_is_served_twice(desk: Desk) -> None:
    ring = await desk.neighbours(200)
    async with piled(desk, 3, *ring):
        served = await turns(desk, 600, most=25)

    assert [sorted(served[start : start + 200]) for start in (0, 200, 400)] == [ring] * 3


@pytest.mark.parametrize("most", [25, 8, 3, 1])
async def test_a_weight_of_three_gets_three_times_as_much(desk: Desk, most: int) -> None:
    (heavy,) = await desk.neighbours(1, weight=3)
    (light,) = await desk.neighbours(1)
    async with piled(desk, 200, heavy, light):
        served = Counter((await turns(desk, 120, most=most))[:120])

    assert 84 <= served[heavy] <= 96, served


async def test_weights_count_in_each_round_of_a_batch(desk: Desk) -> None:
    heavy, light = [*await desk.neighbours(1, weight=3), *await desk.neighbours(1)]
    async with piled(desk, 20, heavy, light):
        batch = [task["workspace_id"] for task in await desk.claim(10, per_workspace=NO_LIMIT)]

    assert batch == [heavy, heavy, heavy, light] * 2 + [heavy, heavy]


@pytest.mark.parametrize("own", [2, 7])
async def test_a_workspaces_own_limit_goes_before_the_installations(desk: Desk, owner: object, own: int) -> None:
    (limited,), (plain,) = await desk.neighbours(1), await desk.neighbours(1)
    wanted = shares.changes(weight=None, concurrency=own)
    await desk.change("UPDATE workspaces SET concurrency = :concurrency WHERE id = :id", id=limited, **wanted)
    async with piled(desk, 20, limited, plain):
        batches = [await desk.claim(25, per_workspace=4) for _ in range(2)]

    assert Counter(task["workspace_id"] for batch in batches for task in batch) == {limited: own, plain: 4}


async def test_a_claim_reads_only_indexes_of_a_deep_queue(desk: Desk, servers: Servers) -> None:
    others = await desk.neighbours(30)
    async with piled(desk, DEEP), piled(desk, 5, *others):
        await desk.claim(40, per_workspace=NO_LIMIT)
        plans = [plan for plan in await plans_of(servers, CLAIM, FIRST_TURN.workspace_id, 0) if " on tasks " in plan]

    whose_turn = [plan for plan in plans if "SELECT t.workspace_id " in plan]
    running = [plan for plan in plans if "FROM tasks r" in plan]
    due = [plan for plan in plans if "FROM tasks q" in plan]
    assert min(len(whose_turn), len(running), len(due)) >= 25
    assert [plan for plan in whose_turn + due if "idx_tasks_queue" not in plan] == []
    of_running = ("idx_tasks_status", "idx_tasks_lease", "idx_tasks_canceling")
    assert [plan for plan in running if not any(index in plan for index in of_running)] == []
    assert [plan for plan in plans if "Seq Scan on tasks" in plan] == []


async def test_a_claim_reads_no_history_of_a_workspace_that_statistics_call_small(desk: Desk, servers: Servers) -> None:
    small = await desk.neighbours(200)
    async with piled(desk, 3, *small), piled(desk, 3, *small, status="'SUCCEEDED'"):
        plans = await plans_of(servers, CLAIM, FIRST_TURN.workspace_id, 0)

    due = [plan for plan in plans if "FROM tasks q" in plan]
    assert len(due) >= 25
    assert [plan for plan in due if "idx_tasks_queue" not in plan] == []


async def test_a_claim_costs_the_same_with_five_thousand_workspaces(desk: Desk) -> None:
    few, many = await desk.neighbours(50), await desk.neighbours(5_000)
    async with piled(desk, 10, *few):
        usual = await median_claim(desk)
    async with piled(desk, 10, *many):
        crowded = await median_claim(desk)

    assert crowded < 10 * usual, f"{crowded * 1000:.1f} ms against {usual * 1000:.1f} ms"


@pytest.mark.parametrize(
    "columns",
    [
        pytest.param({"routing": "NULL"}, id="work of people"),
        pytest.param(
            {"run_at": "now() + interval '1 hour'", "started_at": "now()", "attempt": "1"}, id="retries not due"
        ),
        pytest.param({"status": "'SCHEDULED'", "run_at": "now() + interval '1 hour'"}, id="schedules"),
        pytest.param({"expires_at": "now() - interval '1 second'"}, id="expired and not yet ended"),
    ],
)
async def test_what_cannot_be_claimed_does_not_slow_claims_down(desk: Desk, columns: dict[str, str]) -> None:
    ring = await desk.neighbours(50)
    async with piled(desk, 10, *ring):
        usual = await median_claim(desk)
    async with piled(desk, 10, *ring), piled(desk, 20_000, **columns):
        burdened = await median_claim(desk)

    assert burdened < 10 * usual, f"{burdened * 1000:.1f} ms against {usual * 1000:.1f} ms"


async def test_a_deep_queue_that_was_worked_off_does_not_slow_claims_down(desk: Desk) -> None:
    ring = await desk.neighbours(50)
    async with piled(desk, 10, *ring):
        usual = await median_claim(desk)
    async with piled(desk, 10, *ring), piled(desk, DEEP):
        # What the planner knows of the table is from before.
        done = "UPDATE tasks SET status = 'SUCCEEDED' WHERE workspace_id = :id"
        await desk.change(done, id=desk.tenant.account.workspace_id)
        after = await median_claim(desk)

    assert after < 10 * usual, f"{after * 1000:.1f} ms against {usual * 1000:.1f} ms"


async def test_a_workspace_at_its_limit_is_stepped_over_at_half_the_cost_of_a_task(desk: Desk) -> None:
    full, ring = await desk.neighbours(1_000, concurrency=1), await desk.neighbours(50)
    async with piled(desk, 10, *ring):
        usual = await median_claim(desk)
    async with piled(desk, 10, *ring), piled(desk, 1, *full), _running(desk, full):
        burdened = await median_claim(desk)

    of_each, of_a_task = (burdened - usual) / len(full), usual / 25
    assert of_each < of_a_task / 2, f"{of_each * 1e6:.0f} µs against {of_a_task * 1e6:.0f} µs"


@asynccontextmanager
async def _running(desk: Desk, workspaces: list[UUID]) -> AsyncIterator[None]:
    """One task in each that has begun."""
    columns = {"status": "'RUNNING'", "attempt": "1", "lease_until": "now() + interval '1 hour'"}
    async with piled(desk, 1, *workspaces, **columns):
        yield
