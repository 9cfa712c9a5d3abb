"""What is charged: to the micro-credit, for each vendor and for each way in which a call can end.

Both vendors' default models cost 100,000 micro-credits per million tokens of input, 500,000 of output and 10,000 of
cached input. The task's prompt is 100 tokens, its answer 16.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

import pytest
from sqlalchemy import event

from app.actors.runner import Runner
from app.actors.work import work
from app.db.hot import Hot, Row
from app.fakes.faults import Fault, FaultKind
from app.services.task.cancel import cancel_task
from app.settings import Settings
from tests.integration.conftest import PLENTY, Fakes
from tests.integration.engine.calls import open_call
from tests.integration.engine.conftest import WorkingWith
from tests.integration.engine.desk import Desk
from tests.integration.engine.scripted import Scripted

VENDORS = pytest.mark.parametrize("vendor", ["openai", "anthropic"])
CEILING = 1_625
USE = "input_tokens", "cached_input_tokens", "output_tokens", "usage_estimated", "cost_micros"


@dataclass(frozen=True, slots=True)
class Case:
    """`used` as in USE. `charged` is what the workspace pays; `None` for a task that failed and is not paid for."""

    used: tuple[int, int, int, bool, int]
    charged: int | None


PLAIN = Case((100, 0, 16, False, 18), 18)
FAULTS = {
    FaultKind.CACHED_INPUT: Case((100, 50, 16, False, 14), 14),
    FaultKind.ZERO_USAGE: Case((0, 0, 0, False, 0), 0),
    FaultKind.NO_USAGE: Case((100, 0, 16, True, 18), 18),
    FaultKind.CUT: Case((100, 0, 14, True, 17), None),
}
REFUSALS = {"openai": Case((100, 0, 12, False, 16), None), "anthropic": Case((100, 0, 0, False, 10), None)}


async def test_both_vendors_charge_what_was_used(desk: Desk, worker: Runner, fakes: Fakes) -> None:
    for vendor in ("openai", "anthropic"):
        desk.route_to(vendor)
        await check(desk, await desk.accept_one(), PLAIN)

    assert await desk.purse() == (PLENTY - 36, 0)


@VENDORS
@pytest.mark.parametrize("kind", list(FAULTS))
async def test_what_the_vendor_tells_is_charged(
    desk: Desk, worker: Runner, fakes: Fakes, vendor: str, kind: FaultKind
) -> None:
    desk.route_to(vendor)
    fakes.faults.add(Fault(vendor, kind, after=20))

    await check(desk, await desk.accept_one(max_attempts=1), FAULTS[kind])


@VENDORS
async def test_a_refusal_costs_us_and_not_the_workspace(desk: Desk, worker: Runner, fakes: Fakes, vendor: str) -> None:
    desk.route_to(vendor)
    fakes.faults.add(Fault(vendor, FaultKind.REFUSAL))

    await check(desk, await desk.accept_one(), REFUSALS[vendor])


async def check(desk: Desk, task_id: UUID, case: Case) -> None:
    task = await desk.ended(task_id)
    (attempt,) = await desk.attempts(task_id)
    charged, cost = case.charged or 0, case.used[-1]
    settled = [("SETTLE", charged), ("RELEASE", CEILING - charged), ("PROVIDER_COST", cost)]

    assert tuple(attempt[name] for name in USE) == case.used
    assert task["status"] == ("FAILED" if case.charged is None else "SUCCEEDED")
    assert (task["cost_micros"], task["reserved_micros"]) == (charged, 0)
    assert await desk.ledger(task_id) == [("RESERVE", CEILING), *[entry for entry in settled if entry[1]]]


async def test_a_fail_over_after_twenty_deltas_charges_both_calls(desk: Desk, worker: Runner, fakes: Fakes) -> None:
    desk.route_to("openai", "anthropic")
    fakes.faults.add(Fault("openai", FaultKind.CUT, after=20))
    task_id = await desk.accept_one()
    task = await desk.ended(task_id)

    attempts = [(row["provider"], row["status"], row["cost_micros"]) for row in await desk.attempts(task_id)]
    assert attempts == [("openai", "FAILED", 17), ("anthropic", "SUCCEEDED", 18)]
    assert (task["cost_micros"], task["routing"]["provider"]) == (35, "anthropic")
    assert await desk.ledger(task_id) == [
        ("RESERVE", CEILING),
        ("SETTLE", 35),
        ("RELEASE", CEILING - 35),
        ("PROVIDER_COST", 35),
    ]
    assert await desk.kinds(task_id) == ["CREATED", "STARTED", "PROGRESS", "SUCCEEDED"]


async def test_a_charge_is_never_more_than_was_held(desk: Desk, worker: Runner, fakes: Fakes) -> None:
    desk.route_to("openai", "anthropic")
    fakes.faults.add(Fault("openai", FaultKind.CUT, after=20))
    task_id = await desk.accept_one(type="demo.plain", max_cost_micros=30)
    task = await desk.ended(task_id)

    attempts = await desk.attempts(task_id)
    assert task["status"] == "SUCCEEDED"
    assert sum(row["cost_micros"] for row in attempts) == task["spent_micros"] > 30
    assert await desk.ledger(task_id) == [
        ("RESERVE", 30),
        ("SETTLE", 30),
        ("PROVIDER_COST", task["spent_micros"]),
    ]
    assert await desk.purse() == (PLENTY - 30, 0)


@VENDORS
async def test_cancelled_work_is_paid_and_the_rest_comes_back(
    desk: Desk, worker: Runner, fakes: Fakes, vendor: str
) -> None:
    desk.route_to(vendor)
    fakes.faults.add(Fault(vendor, FaultKind.SLOW, delay=0.05))
    task_id = await desk.accept_one()
    call = await open_call(fakes, vendor=vendor)
    assert await desk.purse() == (PLENTY - CEILING, CEILING)
    await cancel(desk, task_id)
    task = await desk.ended(task_id)
    await call.ended.wait()

    (attempt,) = await desk.attempts(task_id)
    paid = task["cost_micros"]
    assert (task["status"], attempt["usage_estimated"]) == ("CANCELED", True)
    assert 10 <= paid == attempt["cost_micros"] < 18
    assert await desk.ledger(task_id) == [
        ("RESERVE", CEILING),
        ("SETTLE", paid),
        ("RELEASE", CEILING - paid),
        ("PROVIDER_COST", paid),
    ]
    assert await desk.purse() == (PLENTY - paid, 0)


async def test_what_was_cancelled_before_it_began_costs_nothing(desk: Desk) -> None:
    task_id = await desk.accept_one()

    await cancel(desk, task_id)

    assert await desk.ledger(task_id) == [("RESERVE", CEILING), ("RELEASE", CEILING)]
    assert await desk.purse() == (PLENTY, 0)


async def cancel(desk: Desk, task_id: UUID) -> None:
    async with desk.unit_of_work(desk.tenant.principal) as uow:
        await cancel_task(uow, task_id, None)


async def test_the_price_of_a_quote_holds_until_the_task_has_run(
    desk: Desk, monkeypatch: pytest.MonkeyPatch, service_settings: Settings
) -> None:
    monkeypatch.setattr("app.services.routing.catalogue.STALE_SECONDS", 0)
    price = "UPDATE ai_models SET output_price = :price WHERE provider = 'openai' AND name = 'gpt-6-luna'"
    before = await desk.accept_one()
    await desk.change(price, price=5_000_000)
    try:
        after = await desk.accept_one()
        async with work(service_settings):
            charges = [(await desk.ended(task_id))["cost_micros"] for task_id in (before, after)]
    finally:
        await desk.change(price, price=500_000)

    assert charges == [18, 90]


async def test_what_was_charged_is_what_the_vendors_served(desk: Desk, worker: Runner, fakes: Fakes) -> None:
    began = served(fakes)
    desk.route_to("openai", "anthropic")
    for kind in (FaultKind.SERVER_ERROR, FaultKind.RATE_LIMIT, FaultKind.OVERLOADED):
        fakes.faults.add(Fault("openai", kind))
    tasks = await desk.accept(20)
    for task_id in tasks:
        assert (await desk.ended(task_id))["status"] == "SUCCEEDED"

    calls, inputs, outputs = (now - then for now, then in zip(served(fakes), began, strict=True))
    rows = await desk.rows(
        """SELECT sum(input_tokens) AS inputs, sum(output_tokens) AS outputs, count(*) AS calls,
            sum(cost_micros) AS cost FROM task_attempts WHERE task_id = ANY (:tasks)""",
        tasks=tasks,
    )
    assert (rows[0]["calls"], rows[0]["inputs"], rows[0]["outputs"]) == (calls, inputs, outputs) == (23, 2_000, 320)
    assert await desk.purse() == (PLENTY - rows[0]["cost"], 0) == (PLENTY - 20 * 18, 0)


def served(fakes: Fakes) -> tuple[int, int, int]:
    vendors = fakes.journal.as_json().values()
    return (
        sum(vendor["calls"] for vendor in vendors),
        sum(vendor["input_tokens"] for vendor in vendors),
        sum(vendor["output_tokens"] for vendor in vendors),
    )


async def test_a_success_is_one_statement(
    desk: Desk, working_with: WorkingWith, monkeypatch: pytest.MonkeyPatch
) -> None:
    task_id = await desk.accept_one()
    statements = list[str]()
    send = Hot.call

    async def noted(hot: Hot, sql: str, *values: object) -> Sequence[Row]:
        statements.append(sql)
        return await send(hot, sql, *values)

    monkeypatch.setattr(Hot, "call", noted)
    event.listen(desk.engine.sync_engine, "before_cursor_execute", lambda *said: statements.append(said[2]))
    async with working_with(Scripted('{"summary": "Snow."}')):
        task = await desk.ended(task_id)

    assert (task["status"], task["cost_micros"]) == ("SUCCEEDED", 4)
    writes = [each for each in statements if "succeed_task" in each or each.startswith(("UPDATE", "INSERT", "WITH"))]
    assert len(writes) == 1, writes
