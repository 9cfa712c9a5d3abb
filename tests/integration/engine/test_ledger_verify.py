"""The proof of the ledger: what is sound passes, and each thing that is not is found and named."""

from collections.abc import AsyncIterator
from uuid import UUID

import asyncpg
import pytest

from app import ids
from app.services.billing.invariants import INVARIANTS
from app.services.billing.verify import Break, verify
from app.services.task import attempt
from app.services.task.attempt import Cost, Failure
from app.services.task.cancel import cancel_task
from app.services.task.retry import retry_task
from tests.conftest import Servers
from tests.integration.conftest import MakeTenant
from tests.integration.engine.desk import Desk

USED = Cost(100, 16, 0, 18, estimated=False)


@pytest.fixture
async def as_superuser(servers: Servers, desk: Desk) -> AsyncIterator["asyncpg.Connection[asyncpg.Record]"]:
    """With triggers and foreign keys switched off."""
    connection = await asyncpg.connect(servers.postgres.superuser_url.rpartition("/")[0] + "/bizq")
    await connection.execute("SET session_replication_role = replica")
    yield connection
    await connection.close()


@pytest.fixture
async def books(desk: Desk) -> dict[str, UUID]:
    """Tasks that succeeded, failed and wait, under a budget. Entries: 1 the grant, 2 to 4 reserve, 5 to 7 end the
    first, 8 and 9 the second."""
    await desk.change(
        """INSERT INTO budgets (id, workspace_id, scope, period, hard_micros)
        VALUES (uuidv7(), :mine, 'WORKSPACE', 'MONTH', 1000000)""",
        mine=desk.tenant.account.workspace_id,
    )
    done, failed, queued = await desk.accept(3)
    claimed = {row["id"]: row for row in await desk.claim(2)}
    assert await desk.succeed(claimed[done], cost=USED)
    async with desk.unit_of_work(desk.tenant.principal) as uow:
        assert await attempt.fail(uow, failed, 1, Failure("bad_request", "No.", retryable=False), cost=USED)
    return {"done": done, "failed": failed, "queued": queued}


async def breaks(desk: Desk) -> list[Break]:
    report = await verify(desk.owner, desk.tenant.account.workspace_id, lambda *_: None)
    assert report is not None
    return list(report.breaks)


async def test_sound_books_have_no_break_and_every_invariant_is_asked(desk: Desk, books: dict[str, UUID]) -> None:
    asked: list[str] = []
    report = await verify(
        desk.owner, desk.tenant.account.workspace_id, lambda done, total, name: asked.append(f"{done}/{total} {name}")
    )

    assert report is not None
    assert (report.workspaces, report.entries, report.breaks) == (1, 9, [])
    assert asked == [f"{n}/13 {each.name}" for n, each in enumerate(INVARIANTS)] + ["13/13 done"]


async def test_books_stay_sound_whatever_becomes_of_a_task(desk: Desk, books: dict[str, UUID]) -> None:
    async with desk.unit_of_work(desk.tenant.principal) as uow:
        await cancel_task(uow, books["queued"], None)
    assert await breaks(desk) == []
    for name in ("queued", "failed"):
        async with desk.unit_of_work(desk.tenant.principal) as uow:
            await retry_task(uow, books[name])
        assert await breaks(desk) == []
    (again, other) = await desk.claim()
    assert await desk.succeed(again, cost=USED)
    async with desk.unit_of_work(desk.tenant.principal) as uow:
        assert await attempt.hand_back(uow, other["id"], other["attempt"], text="", cost=USED)
    assert await breaks(desk) == []


ENTRY = "UPDATE ledger_entries SET {} WHERE workspace_id = $1 AND seq = {}"
WORKSPACE = "UPDATE workspaces SET {} WHERE id = $1"
TASK = "UPDATE tasks SET {} WHERE workspace_id = $1 AND status = '{}'"
CASES = {
    "sequence": (ENTRY.format("seq = 100", 9), {"sequence"}, "entry 9 is due and 100 is there"),
    "a missing entry": (
        "DELETE FROM ledger_entries WHERE workspace_id = $1 AND seq = 9",
        {"sequence", "accounts", "provider costs"},
        "entry 9 is due and 8 is there",
    ),
    "kinds": (ENTRY.format("kind = 'PURCHASE'", 1), {"kinds"}, "entry 1 is a PURCHASE from PROMO to AVAILABLE"),
    "balances": (
        ENTRY.format("reserved_micros = reserved_micros + 1", 9),
        {"balances"},
        "entry 9 records 999998357 available and 1626 reserved; 999998357 and 1625 are due",
    ),
    "accounts": (
        WORKSPACE.format("revenue_micros = 19"), {"accounts"}, "REVENUE is 19; its entries sum to 18",
    ),
    "credits from nowhere": (
        WORKSPACE.format("credits_micros = 0"), {"accounts"}, "AVAILABLE is 0; its entries sum to 999998357",
    ),
    "holds": (
        ENTRY.format("amount_micros = amount_micros - 1", 6),
        {"holds", "balances", "accounts"},
        "hold 1 reserved 1625, settled 18 and released 1606",
    ),
    "open holds": (
        TASK.format("holds = 2", "QUEUED"),
        {"open holds"},
        "it is QUEUED and says that 1625 are held; its open entries hold 1625",
    ),
    "an end without settling": (
        TASK.format("status = 'EXPIRED', reserved_micros = 0", "QUEUED"),
        {"open holds", "reserves", "budget holds"},
        "it is EXPIRED and says that 0 are held; its open entries hold 1625",
    ),
    "ended tasks": (
        TASK.format("reserved_micros = 5", "SUCCEEDED"), {"ended tasks"}, "it is SUCCEEDED and says that 5 are held",
    ),
    "reserves": (
        WORKSPACE.format("reserved_micros = 1624"),
        {"reserves", "accounts"},
        "1624 are reserved; its open holds sum to 1625, its unfinished tasks hold 1625",
    ),
    "charges": (
        TASK.format("cost_micros = 17", "SUCCEEDED"), {"charges"}, "it says that it cost 17; 18 were charged",
    ),
    "provider costs": (
        TASK.format("spent_micros = 19", "FAILED"), {"provider costs"}, "it has spent 19; 18 are booked",
    ),
    "budgets": (
        "UPDATE budget_usage SET used_micros = 1642 WHERE workspace_id = $1",
        {"budgets"},
        "1642 are used in the period from",
    ),
    "budget holds": (
        "UPDATE budget_holds SET amount_micros = 1 WHERE workspace_id = $1",
        {"budget holds"},
        "1 of a budget are held for it; it is QUEUED and says that 1625 are",
    ),
}  # fmt: skip


@pytest.mark.parametrize("case", list(CASES))
async def test_what_is_broken_is_reported_and_nothing_else(
    desk: Desk, books: dict[str, UUID], as_superuser: "asyncpg.Connection[asyncpg.Record]", case: str
) -> None:
    statement, invariants, problem = CASES[case]

    assert not (await as_superuser.execute(statement, desk.tenant.account.workspace_id)).endswith(" 0")

    found = await breaks(desk)
    assert {item.invariant for item in found} == invariants
    assert any(item.problem.startswith(problem) for item in found), found


async def test_a_task_of_another_workspace_is_named(
    desk: Desk, books: dict[str, UUID], as_superuser: "asyncpg.Connection[asyncpg.Record]", make_tenant: MakeTenant
) -> None:
    other = (await make_tenant()).account.workspace_id
    await as_superuser.execute("UPDATE tasks SET workspace_id = $1 WHERE id = $2", other, books["failed"])

    (found,) = await breaks(desk)
    task_id = ids.encode(ids.TASK, books["failed"])
    problem = "owners: it belongs to another workspace than its entries"
    assert str(found) == f"{desk.tenant.workspace_id} {task_id}: {problem}"


async def test_an_unknown_workspace_has_no_report(desk: Desk) -> None:
    assert await verify(desk.owner, UUID(int=1), lambda *_: None) is None
