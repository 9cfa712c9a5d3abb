"""A bug shows its request id and nothing else, and is logged once."""

from typing import Any

import httpx
import pytest
import structlog
from structlog.typing import EventDict

from app.services.account import queries as accounts
from app.services.task import cancel
from tests.integration.api.answers import extensions
from tests.integration.api.documents import CANCEL_TASK, UNKNOWN_TASK
from tests.integration.graphql_client import Gql, Socket

CANARY = "secret-canary"


def broken(*_: Any, **__: Any) -> Any:
    raise RuntimeError(CANARY)


@pytest.fixture
def logged(executed_once: None, monkeypatch: pytest.MonkeyPatch) -> list[EventDict]:
    """What the edge logs, as events."""
    capture = structlog.testing.LogCapture()
    log = structlog.wrap_logger(None, processors=[structlog.contextvars.merge_contextvars, capture])
    for module in ("app.graphql.errors", "app.graphql.http"):
        monkeypatch.setattr(f"{module}.log", log)
    return capture.entries


def expect_masked(response: httpx.Response, logged: list[EventDict]) -> None:
    assert CANARY not in response.text
    assert extensions(response)["code"] == "INTERNAL"
    assert [entry["request_id"] for entry in logged] == [response.headers["X-Request-Id"]]
    assert logged[0]["log_level"] == "error"


async def test_bug_in_a_query_is_masked_and_logged_once(
    gql: Gql, monkeypatch: pytest.MonkeyPatch, logged: list[EventDict]
) -> None:
    monkeypatch.setattr(accounts, "workspace", broken)

    response = await gql.raw("{ workspace { id } }")

    assert response.status_code == 200
    assert response.json()["data"] == {"workspace": None}
    expect_masked(response, logged)


async def test_bug_in_a_mutation_is_masked_and_logged_once(
    gql: Gql, monkeypatch: pytest.MonkeyPatch, logged: list[EventDict]
) -> None:
    monkeypatch.setattr(cancel, "cancel_task", broken)

    response = await gql.raw(CANCEL_TASK, id=UNKNOWN_TASK)

    assert (response.status_code, response.json()["data"]) == (200, None)
    expect_masked(response, logged)


async def test_bug_before_execution_is_a_masked_500_logged_once(
    gql: Gql, monkeypatch: pytest.MonkeyPatch, logged: list[EventDict]
) -> None:
    monkeypatch.setattr("app.services.account.authenticate.api_keys.hash_of", broken)

    response = await gql.raw("{ workspace { id } }")

    assert (response.status_code, "data" in response.json()) == (500, False)
    expect_masked(response, logged)


async def test_bug_in_a_subscription_is_masked_and_logged_once(
    socket: Socket, monkeypatch: pytest.MonkeyPatch, logged: list[EventDict]
) -> None:
    monkeypatch.setattr("app.graphql.task.subscriptions.follow_output", broken)

    stream = await socket.subscribe("subscription($id: ID!) { taskOutput(taskId: $id) { text } }", id=UNKNOWN_TASK)
    message = await stream.message()

    (error,) = message["payload"]["errors"]
    assert CANARY not in str(message)
    assert error["extensions"]["code"] == "INTERNAL"
    assert [entry["request_id"] for entry in logged] == [error["extensions"]["requestId"]]
