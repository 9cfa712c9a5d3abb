"""Creates that share a transaction: each has its own answer, and none feels its neighbours."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import asyncpg
import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app import ids
from app.db.availability import is_unavailable
from app.db.hot import Hot
from app.errors import AppError, ErrorCode, Forbidden
from app.models import LedgerKind
from app.principal import Principal, Role
from app.services.billing import credits
from app.services.billing.verify import verify
from app.services.task import batch
from app.services.task.batch import MAX_DRAFTS, TaskCreation
from app.services.task.create import Accepted, CreateRequest, Outcome, create_plain_tasks, create_tasks
from app.services.task.draft import TaskDraft
from app.services.task.plan import Terms
from app.settings import Settings
from tests.integration.engine.conftest import MakeDesk
from tests.integration.engine.desk import SUMMARY, Desk

NOWHERE = "postgresql://nobody@127.0.0.1:1/nothing"


def creation(desk: Desk) -> TaskCreation:
    return TaskCreation(desk.hot, desk.unit_of_work, desk.intake)


def asked(desk: Desk, *, key: str | None = None, **draft: Any) -> CreateRequest:
    return CreateRequest(desk.tenant.principal, [TaskDraft(**(SUMMARY | draft))], key)


def ids_of(outcomes: Sequence[Outcome]) -> list[UUID]:
    (*results,) = (result for outcome in outcomes for result in outcome.results)
    return [result["id"] for result in results if not isinstance(result, AppError)]


@pytest.fixture
def transactions(monkeypatch: pytest.MonkeyPatch) -> list[tuple[str, int]]:
    """How many requests each transaction had, and whether it was one of all workspaces or of one."""
    seen = list[tuple[str, int]]()

    async def note(kind: str, hot: Hot, requests: Sequence[CreateRequest]) -> None:
        seen.append((kind, len(requests)))
        if any(draft.type == "breaks.it" for request in requests for draft in request.drafts):
            await hot.call("SELECT 1 / 0")

    async def together(hot: Hot, requests: Sequence[CreateRequest], terms: Terms) -> Accepted:
        await note("together", hot, requests)
        return await create_plain_tasks(hot, requests, terms)

    async def apart(hot: Hot, workspace_id: UUID, requests: Sequence[CreateRequest], terms: Terms) -> Accepted:
        await note("apart", hot, requests)
        return await create_tasks(hot, workspace_id, requests, terms)

    monkeypatch.setattr(batch, "create_plain_tasks", together)
    monkeypatch.setattr(batch, "create_tasks", apart)
    return seen


async def test_whoever_comes_at_the_same_time_shares_a_transaction(
    desk: Desk, transactions: list[tuple[str, int]]
) -> None:
    together = creation(desk)
    outcomes = await asyncio.gather(*(together.create(asked(desk)) for _ in range(64)))

    assert len(set(ids_of(outcomes))) == 64
    assert transactions == [("together", 64)]


async def test_a_wrong_neighbour_has_its_own_error(desk: Desk, transactions: list[tuple[str, int]]) -> None:
    together = creation(desk)
    requests = [asked(desk), asked(desk), asked(desk, priority=0), asked(desk)]
    outcomes = await asyncio.gather(*(together.create(request) for request in requests))

    assert len(ids_of(outcomes)) == 3
    (wrong,) = outcomes[2].results
    assert isinstance(wrong, AppError)
    assert (wrong.code, wrong.path) == (ErrorCode.INVALID_INPUT, ("priority",))
    assert transactions == [("together", 4)]


async def test_one_that_breaks_the_transaction_breaks_its_own_alone(
    desk: Desk, transactions: list[tuple[str, int]]
) -> None:
    together = creation(desk)
    requests = [asked(desk), asked(desk), asked(desk, type="breaks.it"), asked(desk)]
    outcomes = await asyncio.gather(*(together.create(request) for request in requests), return_exceptions=True)

    assert [isinstance(outcome, Outcome) for outcome in outcomes] == [True, True, False, True]
    assert "division by zero" in str(outcomes[2])
    assert transactions == [("together", 4), ("apart", 4), *[("apart", 1)] * 4]
    assert len(await desk.rows("SELECT id FROM tasks WHERE workspace_id = :id", id=workspace(desk))) == 3


async def check_money(desks: Sequence[Desk]) -> None:
    for each in desks:
        report = await verify(each.owner, workspace(each), lambda *_: None)
        assert report is not None
        assert report.breaks == []
        assert report.entries > 0


def workspace(desk: Desk) -> UUID:
    return desk.tenant.account.workspace_id


async def test_the_same_key_at_the_same_time_is_done_once(desk: Desk) -> None:
    together = creation(desk)
    outcomes = await asyncio.gather(*(together.create(asked(desk, key="once")) for _ in range(5)))

    assert len(set(ids_of(outcomes))) == 1
    assert sorted(outcome.replayed for outcome in outcomes) == [False, True, True, True, True]


async def test_who_goes_away_before_their_turn_is_left_out(desk: Desk, transactions: list[tuple[str, int]]) -> None:
    together = creation(desk)
    callers = [asyncio.create_task(together.create(asked(desk))) for _ in range(3)]
    await asyncio.sleep(0)
    callers[1].cancel()
    first, gone, last = await asyncio.gather(*callers, return_exceptions=True)

    assert isinstance(gone, asyncio.CancelledError)
    assert isinstance(first, Outcome)
    assert isinstance(last, Outcome)
    assert transactions == [("together", 2)]


async def test_workspaces_do_not_wait_for_each_other(desk: Desk, make_desk: MakeDesk) -> None:
    other, together = await make_desk(), creation(desk)
    async with desk.owner.begin() as connection:
        await connection.execute(text("SELECT FROM workspaces WHERE id = :id FOR UPDATE"), {"id": workspace(desk)})
        held = asyncio.create_task(together.create(asked(desk)))
        outcome = await together.create(asked(other))
        assert not held.done()

    assert len(ids_of([outcome, await held])) == 2


async def test_workspaces_share_a_transaction_and_each_pays_its_own(
    desk: Desk, make_desk: MakeDesk, transactions: list[tuple[str, int]]
) -> None:
    desks, together = [desk, await make_desk(), await make_desk()], creation(desk)
    outcomes = await asyncio.gather(*(together.create(asked(each)) for each in desks * 10))

    assert transactions == [("together", 30)]
    for number, each in enumerate(desks):
        made = await each.rows("SELECT id, routing FROM tasks WHERE workspace_id = :id", id=workspace(each))
        assert {row["id"] for row in made} == set(ids_of(outcomes[number::3]))
        held = sum(row["routing"]["ceilingMicros"] for row in made)
        assert (await each.purse())[1] == held > 0
    await check_money(desks)


async def test_what_is_not_plain_is_done_apart_and_the_rest_together(
    desk: Desk, make_desk: MakeDesk, transactions: list[tuple[str, int]]
) -> None:
    budgeted, poor, together = await make_desk(), await make_desk(), creation(desk)
    await budgeted.change(
        """INSERT INTO budgets (id, workspace_id, scope, period, hard_micros)
        VALUES (uuidv7(), :id, 'WORKSPACE', 'DAY', 1)""",
        id=workspace(budgeted),
    )
    available, _ = await poor.purse()
    await credits.post(desk.owner, workspace(poor), LedgerKind.ADJUSTMENT, 1 - available, "test")

    requests = [asked(desk), asked(budgeted), asked(poor), asked(desk)]
    outcomes = await asyncio.gather(*(together.create(request) for request in requests))

    assert len(ids_of(outcomes)) == 2
    (over,), (short,) = outcomes[1].results, outcomes[2].results
    assert isinstance(over, AppError)
    assert isinstance(short, AppError)
    assert (over.code, short.code) == (ErrorCode.BUDGET_EXCEEDED, ErrorCode.INSUFFICIENT_CREDITS)
    assert sorted(transactions) == [("apart", 1), ("apart", 1), ("together", 4)]
    await check_money([desk, budgeted, poor])


async def test_a_key_is_its_workspaces_own(desk: Desk, make_desk: MakeDesk) -> None:
    other, together = await make_desk(), creation(desk)
    first = await asyncio.gather(together.create(asked(desk, key="k")), together.create(asked(other, key="k")))
    again = await asyncio.gather(together.create(asked(desk, key="k")), together.create(asked(other, key="k")))

    assert len(set(ids_of(first))) == 2
    assert ids_of(again) == ids_of(first)
    assert [outcome.replayed for outcome in [*first, *again]] == [False, False, True, True]


async def test_a_large_request_is_done_apart(desk: Desk, transactions: list[tuple[str, int]]) -> None:
    together = creation(desk)
    large = CreateRequest(desk.tenant.principal, [TaskDraft(**SUMMARY)] * (MAX_DRAFTS + 1))
    outcomes = await asyncio.gather(together.create(asked(desk)), together.create(large), together.create(asked(desk)))

    assert len(set(ids_of(outcomes))) == MAX_DRAFTS + 3
    assert transactions == [("together", 1), ("apart", 1), ("together", 1)]


@pytest.mark.parametrize(
    ("column", "theirs"),
    [
        ("worker_id", "INSERT INTO workers (id, workspace_id, name, kind) VALUES (uuidv7(), :id, 'W', 'HUMAN')"),
        (
            "template_version_id",
            """WITH made AS (
                INSERT INTO templates (id, workspace_id, slug, name, category, config)
                VALUES (uuidv7(), :id, 'theirs', 'T', 'writing', '{}') RETURNING *)
            INSERT INTO template_versions (id, template_id, workspace_id, number, prompt, config)
            SELECT uuidv7(), id, workspace_id, 1, 'Do it.', '{}' FROM made""",
        ),
    ],
)
async def test_nothing_of_another_workspace_gets_into_a_task(
    desk: Desk, make_desk: MakeDesk, column: str, theirs: str
) -> None:
    other = await make_desk()
    (row,) = await desk.rows(f"{theirs} RETURNING id", id=workspace(other))
    draft = {"id": ids.new_id(), "workspace": workspace(desk), column: row["id"]}

    with pytest.raises(asyncpg.InsufficientPrivilegeError):
        await desk.hot.call("SELECT * FROM accept_plain_tasks(now(), $1, '[]')", [draft])


async def test_who_may_not_create_is_refused_before(desk: Desk, transactions: list[tuple[str, int]]) -> None:
    principal = desk.tenant.principal
    viewer = Principal(principal.workspace_id, Role.VIEWER, principal.user_id)

    with pytest.raises(Forbidden):
        await creation(desk).create(CreateRequest(viewer, [TaskDraft(**SUMMARY)]))
    assert transactions == []


async def test_a_database_that_is_away_is_told_to_all(desk: Desk, settings: Settings) -> None:
    nowhere = Hot(settings.model_copy(update={"database_url": SecretStr(NOWHERE)}))
    await nowhere.start()
    together = TaskCreation(nowhere, desk.unit_of_work, desk.intake)
    await desk.intake.terms()
    failed = await asyncio.gather(*(together.create(asked(desk)) for _ in range(3)), return_exceptions=True)

    assert [isinstance(error, OSError) and is_unavailable(error) for error in failed] == [True] * 3
    await nowhere.close()
