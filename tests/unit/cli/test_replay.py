import shlex
from collections.abc import Callable
from datetime import UTC, datetime
from typing import Any, cast

import pytest

from app.cli import documents
from app.cli.client import Client, Unreachable
from app.cli.replay import Outcome, Replay, Revivable, retry_all
from app.services.task.retry import REVIVABLE

SINCE = datetime(2026, 1, 31, 12, tzinfo=UTC)
Answer = Callable[[str], dict[str, Any] | None]


def task(id: str) -> dict[str, Any]:
    return {"id": id, "version": 4}


def error(code: str) -> dict[str, Any]:
    return {"task": None, "errors": [{"code": code, "message": f"it is {code}", "path": []}]}


QUEUED: dict[str, Any] = {"task": {}, "errors": []}


class Service:
    """Answers retryTask from a script, None being an answer that is lost on its way; says what it was asked."""

    def __init__(self, *answers: dict[str, Any] | None, version: int = 4) -> None:
        self._answers = iter(answers)
        self._version = version
        self.asked: list[str] = []

    async def execute(self, document: str, id: str) -> dict[str, Any]:
        if document == documents.TASK_VERSION:
            return {"task": {"version": self._version}}
        self.asked.append(id)
        answer = next(self._answers)
        if answer is None:
            raise Unreachable("gone")
        return {"retryTask": answer}


async def run(service: Service, *ids: str) -> Outcome:
    tasks = [task(id) for id in ids]
    return await retry_all(cast(Client, service), tasks, on_done=lambda: None, on_lost=lambda: None)


@pytest.fixture(autouse=True)
def at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    async def no_pause(seconds: float) -> None:
        pass

    monkeypatch.setattr("app.cli.live.sleep", no_pause)


def test_the_states_are_the_services() -> None:
    assert {state.value for state in Revivable} == {status.value for status in REVIVABLE}


def test_the_command_says_everything_again_with_the_moment_itself() -> None:
    wanted = Replay(SINCE, (Revivable.FAILED, Revivable.EXPIRED), ("it's mine",), ("worker_lost",), 7)

    assert shlex.split(wanted.command()) == [
        "bizq", "task", "retry", "--failed-since", "2026-01-31T12:00:00Z", "--status", "FAILED", "--status", "EXPIRED",
        "--type", "it's mine", "--error", "worker_lost", "--limit", "7", "--yes",
    ]  # fmt: skip
    assert Replay(SINCE).filter() == {"finishedAfter": "2026-01-31T12:00:00+00:00", "statuses": ["FAILED"]}


async def test_what_somebody_else_retried_is_counted_and_no_failure() -> None:
    outcome = await run(Service(QUEUED, error("INVALID_STATE"), QUEUED), "a", "b", "c")

    assert (outcome.found, outcome.retried, outcome.gone, outcome.complete) == (3, 2, 1, True)


async def test_any_other_error_is_a_failure_and_the_rest_goes_on() -> None:
    outcome = await run(Service(QUEUED, error("FORBIDDEN"), QUEUED), "a", "b", "c")

    assert (outcome.retried, outcome.failures, outcome.complete) == (2, {"b": "it is FORBIDDEN"}, False)


async def test_a_request_that_did_nothing_is_sent_again() -> None:
    service = Service(None, None, QUEUED)

    outcome = await run(service, "a")

    assert (service.asked, outcome.retried, outcome.complete) == (["a"] * 3, 1, True)


async def test_a_request_whose_answer_was_lost_is_not_sent_again() -> None:
    service = Service(None, QUEUED, version=5)

    outcome = await run(service, "a")

    assert (service.asked, outcome.retried) == (["a"], 1)


async def test_an_api_that_stays_away_ends_the_run(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.cli.replay.PATIENCE_SECONDS", 0.0)
    names = [f"t{number}" for number in range(20)]

    outcome = await run(Service(*[None] * 20), *names)

    assert (outcome.lost, outcome.left, outcome.complete) == ("gone", 20, False)
