"""Creates that share a transaction: each has its own answer, and none feels its neighbours."""

import asyncio
from collections.abc import Sequence
from typing import Any
from uuid import UUID

import pytest
from pydantic import SecretStr
from sqlalchemy import text

from app.db.availability import is_unavailable
from app.db.hot import Hot
from app.errors import AppError, ErrorCode, Forbidden
from app.principal import Principal, Role
from app.services.task import batch
from app.services.task.batch import TaskCreation
from app.services.task.create import Accepted, CreateRequest, Outcome, create_tasks
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
def transactions(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """How many requests each transaction had."""
    sizes = list[int]()

    async def counted(hot: Hot, workspace_id: UUID, requests: Sequence[CreateRequest], terms: Terms) -> Accepted:
        sizes.append(len(requests))
        if any(draft.type == "breaks.it" for request in requests for draft in request.drafts):
            await hot.call("SELECT 1 / 0")
        return await create_tasks(hot, workspace_id, requests, terms)

    monkeypatch.setattr(batch, "create_tasks", counted)
    return sizes


async def test_whoever_comes_at_the_same_time_shares_a_transaction(desk: Desk, transactions: list[int]) -> None:
    together = creation(desk)
    outcomes = await asyncio.gather(*(together.create(asked(desk)) for _ in range(64)))

    assert len(set(ids_of(outcomes))) == 64
    assert transactions == [64]


async def test_a_wrong_neighbour_has_its_own_error(desk: Desk, transactions: list[int]) -> None:
    together = creation(desk)
    requests = [asked(desk), asked(desk), asked(desk, priority=0), asked(desk)]
    outcomes = await asyncio.gather(*(together.create(request) for request in requests))

    assert len(ids_of(outcomes)) == 3
    (wrong,) = outcomes[2].results
    assert isinstance(wrong, AppError)
    assert (wrong.code, wrong.path) == (ErrorCode.INVALID_INPUT, ("priority",))
    assert transactions == [4]


async def test_one_that_breaks_the_transaction_breaks_its_own_alone(desk: Desk, transactions: list[int]) -> None:
    together = creation(desk)
    requests = [asked(desk), asked(desk), asked(desk, type="breaks.it"), asked(desk)]
    outcomes = await asyncio.gather(*(together.create(request) for request in requests), return_exceptions=True)

    assert [isinstance(outcome, Outcome) for outcome in outcomes] == [True, True, False, True]
    assert "division by zero" in str(outcomes[2])
    assert transactions == [4, 1, 1, 1, 1]
    assert len(await desk.rows("SELECT id FROM tasks WHERE workspace_id = :id", id=workspace(desk))) == 3


def workspace(desk: Desk) -> UUID:
    return desk.tenant.account.workspace_id


async def test_the_same_key_at_the_same_time_is_done_once(desk: Desk) -> None:
    together = creation(desk)
    outcomes = await asyncio.gather(*(together.create(asked(desk, key="once")) for _ in range(5)))

    assert len(set(ids_of(outcomes))) == 1
    assert sorted(outcome.replayed for outcome in outcomes) == [False, True, True, True, True]


async def test_who_goes_away_before_their_turn_is_left_out(desk: Desk, transactions: list[int]) -> None:
    together = creation(desk)
    callers = [asyncio.create_task(together.create(asked(desk))) for _ in range(3)]
    await asyncio.sleep(0)
    callers[1].cancel()
    first, gone, last = await asyncio.gather(*callers, return_exceptions=True)

    assert isinstance(gone, asyncio.CancelledError)
    assert isinstance(first, Outcome)
    assert isinstance(last, Outcome)
    assert transactions == [2]


async def test_workspaces_do_not_wait_for_each_other(desk: Desk, make_desk: MakeDesk) -> None:
    other, together = await make_desk(), creation(desk)
    async with desk.owner.begin() as connection:
        await connection.execute(text("SELECT FROM workspaces WHERE id = :id FOR UPDATE"), {"id": workspace(desk)})
        held = asyncio.create_task(together.create(asked(desk)))
        outcome = await together.create(asked(other))
        assert not held.done()

    assert len(ids_of([outcome, await held])) == 2


async def test_who_may_not_create_is_refused_before(desk: Desk, transactions: list[int]) -> None:
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
