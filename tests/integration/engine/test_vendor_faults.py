"""What a vendor does wrong, through its own SDK, and what becomes of the task."""

from datetime import datetime, timedelta
from typing import Any

import pytest

from app.actors.runner import Runner
from app.actors.work import work
from app.embedded.port import free_port
from app.fakes.faults import Fault, FaultKind
from app.settings import Settings
from tests.integration.conftest import Fakes
from tests.integration.engine.desk import Desk

VENDORS = pytest.mark.parametrize("vendor", ["openai", "anthropic"])
RETRIED = ["CREATED", "STARTED", "RETRY_SCHEDULED", "STARTED", "SUCCEEDED"]


async def errors_of(desk: Desk, task_id: Any) -> list[str | None]:
    """The code of each attempt's error, in order."""
    return [attempt["error"] and attempt["error"]["code"] for attempt in await desk.attempts(task_id)]


@VENDORS
async def test_rate_limit_is_waited_out_as_long_as_the_vendor_says(
    desk: Desk, worker: Runner, fakes: Fakes, vendor: str
) -> None:
    desk.route_to(vendor)
    fakes.faults.add(Fault(vendor, FaultKind.RATE_LIMIT, retry_after=1))
    task_id = await desk.accept_one()
    task = await desk.ended(task_id)

    assert task["status"] == "SUCCEEDED"
    assert await desk.kinds(task_id) == RETRIED
    events = await desk.events(task_id)
    next_attempt_at = datetime.fromisoformat(events[2]["data"]["nextAttemptAt"])
    assert next_attempt_at >= events[2]["at"] + timedelta(seconds=1)
    assert events[3]["at"] >= next_attempt_at
    assert events[2]["data"]["error"]["code"] == "rate_limited"
    assert await errors_of(desk, task_id) == ["rate_limited", None]


@pytest.mark.parametrize(
    ("fault", "code"),
    [
        (FaultKind.OVERLOADED_MIDSTREAM, "overloaded"),
        (FaultKind.CUT, "stream_cut"),
        (FaultKind.OVERLOADED, "overloaded"),
        (FaultKind.SERVER_ERROR, "server_error"),
    ],
)
@VENDORS
async def test_passing_trouble_is_tried_again(
    desk: Desk, worker: Runner, fakes: Fakes, vendor: str, fault: FaultKind, code: str
) -> None:
    desk.route_to(vendor)
    fakes.faults.add(Fault(vendor, fault, after=20))
    task_id = await desk.accept_one()
    task = await desk.ended(task_id)

    assert (task["status"], task["attempt"], task["error"]) == ("SUCCEEDED", 2, None)
    assert await desk.kinds(task_id) == RETRIED
    assert await errors_of(desk, task_id) == [code, None]


@pytest.mark.parametrize("fault", [FaultKind.OVERLOADED_MIDSTREAM, FaultKind.CUT])
async def test_what_was_written_before_it_broke_is_kept_and_paid(
    desk: Desk, worker: Runner, fakes: Fakes, fault: FaultKind
) -> None:
    fakes.faults.add(Fault("openai", fault, after=20))
    task_id = await desk.accept_one()
    task = await desk.ended(task_id)

    broken, whole = await desk.attempts(task_id)
    assert fakes.journal.calls("openai")[-2].deltas == 20
    assert len(broken["output_text"]) > 0
    assert whole["output_text"].startswith(broken["output_text"])
    assert broken["usage_estimated"] is True
    assert broken["cost_micros"] > 0
    assert task["cost_micros"] == broken["cost_micros"] + whole["cost_micros"]


async def test_a_request_that_is_wrong_is_not_repeated(desk: Desk, worker: Runner, fakes: Fakes) -> None:
    fakes.faults.add(Fault("openai", FaultKind.BAD_REQUEST, times=3))
    task_id = await desk.accept_one()
    task = await desk.ended(task_id)

    assert (task["status"], task["attempt"], task["cost_micros"]) == ("FAILED", 1, 0)
    assert (task["error"]["code"], task["error"]["retryable"]) == ("bad_request", False)
    assert await desk.kinds(task_id) == ["CREATED", "STARTED", "FAILED"]


async def test_lasting_trouble_fails_the_task_after_three_attempts(desk: Desk, worker: Runner, fakes: Fakes) -> None:
    desk.route_to("anthropic")
    fakes.faults.add(Fault("anthropic", FaultKind.SERVER_ERROR, times=3))
    task_id = await desk.accept_one()
    task = await desk.ended(task_id)

    assert (task["status"], task["error"]["code"], task["cost_micros"]) == ("FAILED", "server_error", 0)
    assert await errors_of(desk, task_id) == ["server_error"] * 3
    again = ["STARTED", "RETRY_SCHEDULED"]
    assert await desk.kinds(task_id) == ["CREATED", *again, *again, "STARTED", "FAILED"]
    assert {attempt["status"] for attempt in await desk.attempts(task_id)} == {"FAILED"}


async def test_max_attempts_of_the_task_are_respected(desk: Desk, worker: Runner, fakes: Fakes) -> None:
    fakes.faults.add(Fault("openai", FaultKind.SERVER_ERROR, times=2))
    once = await desk.accept_one(max_attempts=1)

    assert (await desk.ended(once))["status"] == "FAILED"
    assert len(await desk.attempts(once)) == 1


async def test_money_that_is_spent_is_not_asked_for_again(desk: Desk, worker: Runner, fakes: Fakes) -> None:
    fakes.faults.add(Fault("openai", FaultKind.QUOTA_EXHAUSTED))
    task_id = await desk.accept_one()
    task = await desk.ended(task_id)

    assert (task["status"], task["attempt"], task["error"]["code"]) == ("FAILED", 1, "quota_exhausted")


@VENDORS
async def test_usage_that_is_not_told_is_estimated_and_marked(
    desk: Desk, worker: Runner, fakes: Fakes, vendor: str
) -> None:
    desk.route_to(vendor)
    fakes.faults.add(Fault(vendor, FaultKind.NO_USAGE))
    task_id = await desk.accept_one()
    task = await desk.ended(task_id)

    (attempt,) = await desk.attempts(task_id)
    assert (task["status"], attempt["usage_estimated"]) == ("SUCCEEDED", True)
    assert attempt["output_tokens"] == -(-len(attempt["output_text"]) // 4)
    assert task["cost_micros"] == attempt["cost_micros"] > 0


@VENDORS
async def test_a_refusal_is_final_and_the_workspace_pays_nothing_for_it(
    desk: Desk, worker: Runner, fakes: Fakes, vendor: str
) -> None:
    desk.route_to(vendor)
    fakes.faults.add(Fault(vendor, FaultKind.REFUSAL))
    task_id = await desk.accept_one()
    task = await desk.ended(task_id)

    (attempt,) = await desk.attempts(task_id)
    assert (task["status"], task["error"]["code"]) == ("FAILED", "refused")
    assert attempt["input_tokens"] == fakes.journal.calls(vendor)[-1].input_tokens
    assert attempt["usage_estimated"] is False
    assert attempt["cost_micros"] > 0
    assert (task["cost_micros"], task["reserved_micros"]) == (0, 0)


async def test_a_provider_that_is_gone_is_tried_three_times(desk: Desk, service_settings: Settings) -> None:
    nowhere = {"openai_base_url": f"http://127.0.0.1:{free_port()}/v1"}
    async with work(service_settings.model_copy(update=nowhere)):
        task_id = await desk.accept_one()
        task = await desk.ended(task_id)

    assert (task["status"], task["error"]["code"]) == ("FAILED", "connection")
    assert await errors_of(desk, task_id) == ["connection"] * 3


async def test_a_provider_that_this_worker_does_not_have_fails_at_once(desk: Desk, service_settings: Settings) -> None:
    async with work(service_settings.model_copy(update={"anthropic_api_key": None})):
        desk.route_to("anthropic")
        task_id = await desk.accept_one()
        task = await desk.ended(task_id)

    assert (task["status"], task["attempt"], task["error"]["code"]) == ("FAILED", 1, "not_configured")
