"""Tasks that wait for credits go on when there are some: soon, in order, and in no workspace at the cost of another."""

import time
from uuid import UUID

import pytest
from sqlalchemy.ext.asyncio import AsyncEngine

from app.actors.runner import Runner
from app.db.hot import Hot
from app.models import LedgerKind
from app.services.billing import credits
from app.services.task import funding
from app.services.task.funding import Funding
from app.unit_of_work import UnitOfWorkFactory
from tests.integration.conftest import MakeTenant
from tests.integration.engine.desk import Desk

CEILING = 1_625
PILE = 3_000
WAIT = """'{"id": "wait_x", "reason": "CREDITS", "on_timeout": "FAIL"}'"""


@pytest.fixture
async def poor(
    owner: AsyncEngine, engine: AsyncEngine, hot: Hot, unit_of_work: UnitOfWorkFactory, make_tenant: MakeTenant
) -> Desk:
    """A desk without credits."""
    return Desk(owner, engine, hot, unit_of_work, await make_tenant(credits_micros=0))


async def grant(desk: Desk, micros: int) -> None:
    purse = await credits.post(desk.owner, desk.tenant.account.workspace_id, LedgerKind.GRANT, micros, "test")
    assert purse is not None


async def statuses(desk: Desk, task_ids: list[UUID]) -> list[str]:
    return [(await desk.task(task_id))["status"] for task_id in task_ids]


async def test_a_waiting_task_begins_within_seconds_of_a_grant(poor: Desk, worker: Runner) -> None:
    task_id = await poor.accept_one(wait_for_credits=True)
    assert await statuses(poor, [task_id]) == ["WAITING"]

    began = time.monotonic()
    await grant(poor, CEILING)
    await poor.until(task_id, lambda task: task["started_at"] is not None, seconds=5)

    assert time.monotonic() - began < 3
    assert (await poor.ended(task_id))["status"] == "SUCCEEDED"
    assert await poor.kinds(task_id) == ["CREATED", "RESUMED", "STARTED", "SUCCEEDED"]
    assert await poor.purse() == (CEILING - 18, 0)


async def test_as_many_resume_as_there_are_credits_for_the_first_first(poor: Desk) -> None:
    late, *rest = await poor.accept(1, wait_for_credits=True, priority=9) + await poor.accept(2, wait_for_credits=True)
    await grant(poor, 2 * CEILING + 100)

    assert await Funding(poor.engine, poor.unit_of_work).round() == 2
    assert await statuses(poor, [late, *rest]) == ["WAITING", "QUEUED", "QUEUED"]
    assert await poor.purse() == (100, 2 * CEILING)
    task = await poor.task(rest[0])
    assert (task["reserved_micros"], task["holds"], task["wait"], task["wait_until"]) == (CEILING, 1, None, None)


async def test_one_that_is_too_dear_does_not_hold_up_what_is_behind_it(poor: Desk) -> None:
    await poor.pile(150, status="'WAITING'", wait=WAIT, routing="""'{"ceilingMicros": 1000000}'""")
    cheap = await poor.accept_one(wait_for_credits=True)
    await grant(poor, CEILING)

    assert await Funding(poor.engine, poor.unit_of_work).round() == 1
    assert await statuses(poor, [cheap]) == ["QUEUED"]


async def test_a_budget_that_refuses_the_first_does_not_hold_up_those_behind(poor: Desk) -> None:
    (template,) = await poor.rows("SELECT id FROM templates WHERE slug = 'text.summarize' AND workspace_id IS NULL")
    await poor.change(
        """INSERT INTO budgets (id, workspace_id, scope, scope_id, period, hard_micros)
        VALUES (uuidv7(), :mine, 'TEMPLATE', :template, 'DAY', 0)""",
        mine=poor.tenant.account.workspace_id,
        template=template["id"],
    )
    refused = await poor.accept(funding.TASKS_PER_TURN, wait_for_credits=True, priority=1)
    plain = await poor.accept_one(wait_for_credits=True, type="demo.plain")
    await grant(poor, 1_000_000)

    assert await Funding(poor.engine, poor.unit_of_work).round() == 1
    assert await statuses(poor, [plain, refused[0]]) == ["QUEUED", "WAITING"]


async def test_a_huge_pile_of_one_takes_a_turn_and_the_others_theirs(
    poor: Desk, make_tenant: MakeTenant, monkeypatch: pytest.MonkeyPatch
) -> None:
    others = [
        Desk(poor.owner, poor.engine, poor.hot, poor.unit_of_work, await make_tenant(credits_micros=0))
        for _ in range(3)
    ]
    waiting = [await other.accept_one(wait_for_credits=True) for other in others]
    await poor.pile(PILE, status="'WAITING'", wait=WAIT, routing=f"""'{{"ceilingMicros": {CEILING}}}'""")
    for desk in (poor, *others):
        await grant(desk, PILE * CEILING)
    monkeypatch.setattr(funding, "WORKSPACES_PER_ROUND", 2)
    rounds = Funding(poor.engine, poor.unit_of_work)

    first, second = await rounds.round(), await rounds.round()

    assert sorted((first, second)) == [2, 1 + funding.TASKS_PER_TURN]
    assert [(await other.task(task_id))["status"] for other, task_id in zip(others, waiting, strict=True)] == [
        "QUEUED"
    ] * 3
    await poor.clear()


async def test_a_round_costs_little_where_a_pile_waits_that_nobody_pays_for(poor: Desk) -> None:
    await poor.pile(20_000, status="'WAITING'", wait=WAIT, routing="""'{"ceilingMicros": 1000000}'""")
    rounds = Funding(poor.engine, poor.unit_of_work)
    await rounds.round()

    began = time.monotonic()
    assert [await rounds.round() for _ in range(5)] == [0] * 5
    assert time.monotonic() - began < 1
    await poor.clear()
