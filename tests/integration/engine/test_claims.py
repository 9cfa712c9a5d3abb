import asyncio
import random
from collections import Counter
from datetime import UTC, datetime, timedelta

from tests.integration.engine.conftest import MakeDesk
from tests.integration.engine.desk import Desk
from tests.integration.graphql_client import Gql


def in_future(**amount: float) -> datetime:
    return datetime.now(UTC) + timedelta(**amount)


async def test_a_claim_starts_an_attempt_under_a_lease(desk: Desk) -> None:
    task_id = await desk.accept_one()
    (claimed,) = await desk.claim(lease=30, claimant="worker-1")

    assert (claimed["id"], claimed["status"], claimed["attempt"]) == (task_id, "RUNNING", 1)
    assert claimed["leased_by"] == "worker-1"
    assert in_future(seconds=25) < claimed["lease_until"] < in_future(seconds=31)
    (attempt,) = await desk.attempts(task_id)
    assert (attempt["number"], attempt["status"]) == (1, "RUNNING")
    assert (attempt["provider"], attempt["model"]) == ("openai", "gpt-6-luna")
    assert await desk.kinds(task_id) == ["CREATED", "STARTED"]


async def test_urgent_tasks_come_first_and_then_the_oldest(desk: Desk) -> None:
    (late,) = await desk.accept(priority=9)
    (first, second) = await desk.accept(2)
    (urgent,) = await desk.accept(priority=1)

    order = [(await desk.claim(1))[0]["id"] for _ in range(4)]

    assert order == [urgent, first, second, late]


async def test_one_task_of_a_quiet_workspace_is_in_the_first_batch(make_desk: MakeDesk) -> None:
    busy, quiet = await make_desk(), await make_desk()
    await busy.accept(500, priority=1)
    (single,) = await quiet.accept(priority=9)

    batch = [task["id"] for task in await busy.claim(25, per_workspace=1000)]

    assert single in batch
    assert len(batch) == 25


async def test_workspaces_take_turns(make_desk: MakeDesk) -> None:
    desks = [await make_desk() for _ in range(3)]
    for desk, count in zip(desks, (40, 40, 5), strict=True):
        await desk.accept(count)

    batch = await desks[0].claim(25, per_workspace=1000)

    share = Counter(task["workspace_id"] for task in batch)
    assert [share[desk.tenant.account.workspace_id] for desk in desks] == [10, 10, 5]


async def test_concurrent_claimers_respect_the_limit_of_a_workspace(desk: Desk) -> None:
    await desk.accept(60)

    batches = await asyncio.gather(*(desk.claim(25, per_workspace=10) for _ in range(6)))

    claimed = [task["id"] for batch in batches for task in batch]
    assert len(claimed) == len(set(claimed)) == 10
    assert await desk.claim(25, per_workspace=10) == []
    assert len(await desk.claim(25, per_workspace=12)) == 2


async def test_what_is_not_due_is_not_claimed(desk: Desk) -> None:
    await desk.accept(run_at=in_future(seconds=60))
    retried = await desk.accept_one()
    await desk.change("UPDATE tasks SET run_at = now() + interval '1 minute' WHERE id = :id", id=retried)

    assert await desk.claim() == []


async def test_a_schedule_that_is_due_is_queued_and_then_claimed(desk: Desk) -> None:
    task_id = await desk.accept_one(run_at=in_future(seconds=0.2))
    assert (await desk.task(task_id))["status"] == "SCHEDULED"
    assert await desk.settle() == 0
    await asyncio.sleep(0.25)

    await asyncio.gather(desk.settle(), desk.settle())

    assert [task["id"] for task in await desk.claim()] == [task_id]
    assert await desk.kinds(task_id) == ["CREATED", "QUEUED", "STARTED"]


async def test_an_expired_task_is_not_claimed_and_ends(desk: Desk) -> None:
    queued = await desk.accept_one(expires_at=in_future(seconds=0.2))
    scheduled = await desk.accept_one(run_at=in_future(seconds=0.1), expires_at=in_future(seconds=0.2))
    await asyncio.sleep(0.25)

    assert await desk.claim() == []
    await asyncio.gather(desk.settle(), desk.settle())

    assert await desk.kinds(queued) == await desk.kinds(scheduled) == ["CREATED", "EXPIRED"]
    assert (await desk.task(queued))["finished_at"] is not None
    assert await desk.claim() == []


async def test_a_task_that_has_begun_does_not_expire_between_attempts(desk: Desk) -> None:
    task_id = await desk.accept_one(expires_at=in_future(seconds=0.3))
    await desk.claim(lease=0.1)
    await asyncio.sleep(0.35)
    await desk.settle()
    await desk.change("UPDATE tasks SET run_at = NULL WHERE id = :id", id=task_id)
    await desk.settle()

    assert [(task["id"], task["attempt"]) for task in await desk.claim()] == [(task_id, 2)]


async def test_random_interleavings_never_run_an_attempt_twice(desk: Desk) -> None:
    await desk.accept(30, max_attempts=10)
    seen: Counter[tuple[object, int]] = Counter()

    async def work(name: str, chance: random.Random) -> None:
        for _ in range(25):
            batch = await desk.claim(chance.randint(1, 5), lease=chance.choice([0.01, 30]), claimant=name)
            seen.update((task["id"], task["attempt"]) for task in batch)
            await asyncio.sleep(chance.random() * 0.02)
            if chance.random() < 0.5:
                await desk.settle()

    await asyncio.gather(*(work(f"worker-{number}", random.Random(number)) for number in range(4)))

    assert len(seen) > 30
    assert set(seen.values()) == {1}
    attempts = await desk.rows(
        "SELECT task_id, number FROM task_attempts WHERE workspace_id = :id", id=desk.tenant.account.workspace_id
    )
    assert {(row["task_id"], row["number"]) for row in attempts} == set(seen)


async def test_work_of_a_person_is_left_to_them(desk: Desk, gql: Gql) -> None:
    made = await gql(
        'mutation { createWorker(input: {name: "Ann", kind: HUMAN}) { worker { id } errors { message } } }'
    )
    draft = {"type": "text.summarize", "input": {"text": "Snow."}, "workerId": made["createWorker"]["worker"]["id"]}
    created = await gql(
        "mutation($i: CreateTaskInput!) { createTask(input: $i) { task { status routing { model } } } }", i=draft
    )

    assert created["createTask"]["task"] == {"status": "QUEUED", "routing": None}
    assert await desk.claim() == []
