"""Hugging Face and Replicate, from the task to the charge."""

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from typing import Any, Protocol

import pytest
from pydantic import SecretStr

from app.actors.runner import Runner
from app.actors.work import work
from app.embedded.port import free_port
from app.fakes.faults import Fault, FaultKind
from app.fakes.webhook import SECRET
from app.main import build_app
from app.providers import replicate_predictions
from app.services.routing.configured import DEFAULT_MODELS
from app.services.routing.installation import Router
from app.services.task.cancel import cancel_task
from app.services.task.plan import Intake
from app.settings import Settings
from tests.conftest import FAKE_KEY
from tests.integration.conftest import Fakes, serving
from tests.integration.engine.calls import open_call
from tests.integration.engine.desk import Desk

VENDORS = pytest.mark.parametrize("vendor", ["huggingface", "replicate"])
# Prices of the default models, in micro-credits per million tokens.
PRICES = {"huggingface": (880_000, 880_000), "replicate": (650_000, 2_750_000)}


class Working(Protocol):
    def __call__(self, **changes: Any) -> AbstractAsyncContextManager[Runner]: ...


@pytest.fixture
def working(service_settings: Settings, fakes: Fakes) -> Working:
    """Starts a worker that has both vendors, with changed settings."""
    both = {
        "huggingface_api_key": SecretStr(FAKE_KEY),
        "huggingface_base_url": f"{fakes.url}/huggingface/v1",
        "replicate_api_token": SecretStr(FAKE_KEY),
        "replicate_base_url": f"{fakes.url}/replicate",
    }

    @asynccontextmanager
    async def start(**changes: Any) -> AsyncIterator[Runner]:
        async with work(service_settings.model_copy(update=both | changes)) as runner:
            yield runner

    return start


@VENDORS
async def test_a_task_is_done_and_charged_by_the_vendors_own_count(
    desk: Desk, working: Working, fakes: Fakes, vendor: str
) -> None:
    desk.route_to(vendor)
    async with working():
        task_id = await desk.accept_one()
        task = await desk.ended(task_id)

    (attempt,) = await desk.attempts(task_id)
    call = fakes.journal.calls(vendor)[-1]
    into, out = PRICES[vendor]
    assert (task["status"], attempt["model"]) == ("SUCCEEDED", DEFAULT_MODELS[vendor])
    assert (attempt["input_tokens"], attempt["output_tokens"]) == (call.input_tokens, call.output_tokens)
    assert attempt["usage_estimated"] is False
    assert task["cost_micros"] == -(-(call.input_tokens * into + call.output_tokens * out) // 1_000_000)


@VENDORS
async def test_passing_trouble_is_tried_again(desk: Desk, working: Working, fakes: Fakes, vendor: str) -> None:
    desk.route_to(vendor)
    fakes.faults.add(Fault(vendor, FaultKind.OVERLOADED))
    async with working():
        task_id = await desk.accept_one()
        task = await desk.ended(task_id)

    assert (task["status"], task["attempt"]) == ("SUCCEEDED", 2)


@VENDORS
async def test_a_vendor_without_credit_is_passed_over(desk: Desk, working: Working, fakes: Fakes, vendor: str) -> None:
    desk.intake = Intake(Router(desk.engine, {vendor: DEFAULT_MODELS[vendor], "openai": "gpt-6-luna"}), 100_000)
    fakes.faults.add(Fault(vendor, FaultKind.QUOTA_EXHAUSTED))
    async with working():
        task_id = await desk.accept_one(cost_sensitive=True)
        task = await desk.ended(task_id)

    attempts = [(row["provider"], row["error"] and row["error"]["code"]) for row in await desk.attempts(task_id)]
    assert attempts == [(vendor, "quota_exhausted"), ("openai", None)]
    assert task["status"] == "SUCCEEDED"


async def test_a_task_that_is_cancelled_cancels_its_prediction(desk: Desk, working: Working, fakes: Fakes) -> None:
    desk.route_to("replicate")
    fakes.faults.add(Fault("replicate", FaultKind.SLOW, delay=0.05))
    async with working():
        task_id = await desk.accept_one()
        call = await open_call(fakes, vendor="replicate")
        async with desk.unit_of_work(desk.tenant.principal) as uow:
            await cancel_task(uow, task_id, None)
        task = await desk.ended(task_id)
        await call.ended.wait()

    assert (task["status"], call.outcome) == ("CANCELED", "canceled")


@pytest.fixture
def without_polls(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever is not woken sleeps for longer than the test lasts."""
    monkeypatch.setattr(replicate_predictions, "FIRST_PAUSE_SECONDS", 60.0)
    monkeypatch.setattr(replicate_predictions, "LONGEST_PAUSE_SECONDS", 60.0)


def quiet_model(desk: Desk) -> None:
    """From now on, one that does not stream."""
    desk.intake = Intake(Router(desk.engine, {"replicate": "batch/llama"}, frozenset({"replicate"})), 100_000)


async def told_at_last(fakes: Fakes) -> str:
    """What came of the last prediction's webhook."""
    prediction = list(fakes.replicate.predictions.values())[-1]
    async with asyncio.timeout(10):
        while prediction.told is None:  # noqa: ASYNC110 no event for it
            await asyncio.sleep(0.01)
    return prediction.told


async def test_a_webhook_ends_the_wait(
    desk: Desk, working: Working, fakes: Fakes, service_settings: Settings, without_polls: None
) -> None:
    quiet_model(desk)
    fakes.faults.add(Fault("replicate", FaultKind.SLOW, delay=0.01))
    told = {"replicate_webhook_secret": SecretStr(SECRET)}
    async with serving(build_app(service_settings.model_copy(update=told))) as url, working(**told, bizq_api_url=url):
        task_id = await desk.accept_one()
        task = await desk.ended(task_id)

    assert (task["status"], await told_at_last(fakes)) == ("SUCCEEDED", "202")
    assert fakes.journal.calls("replicate")[-1].body["webhook"] == f"{url}/webhooks/in/replicate"


async def test_a_webhook_that_is_lost_costs_only_a_delay(desk: Desk, working: Working, fakes: Fakes) -> None:
    quiet_model(desk)
    fakes.faults.add(Fault("replicate", FaultKind.SLOW, delay=0.01))
    nowhere = {"replicate_webhook_secret": SecretStr(SECRET), "bizq_api_url": f"http://127.0.0.1:{free_port()}"}
    async with working(**nowhere):
        task_id = await desk.accept_one()
        task = await desk.ended(task_id)

    assert (task["status"], await told_at_last(fakes)) == ("SUCCEEDED", "ConnectError")
