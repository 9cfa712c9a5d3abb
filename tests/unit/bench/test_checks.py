"""What the load has to find wrong, it finds."""

import json
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.bench.fan_out import Crowd
from tests.bench.job import KEPT_FAILURES, Failures, created_id
from tests.bench.model import SUMMARY
from tests.bench.requests_load import One, Page
from tests.bench.tasks_load import Run

TEMPLATE = {"id": "tplv_1"}
DONE = {"id": "task_1", "status": "SUCCEEDED", "cost": 0.1, "output": {"summary": SUMMARY}}


def page(*nodes: dict[str, Any]) -> bytes:
    return json.dumps({"data": {"tasks": {"nodes": nodes}}}).encode()


def node(id_: str, status: str = "FAILED", template: Any = TEMPLATE) -> dict[str, Any]:
    return {"id": id_, "status": status, "template": template}


def message(kind: str, seq: int, task: dict[str, Any], gap: bool = False) -> bytes:
    event = {"seq": seq, "kind": kind, "gap": gap, "task": task}
    return json.dumps({"id": "1", "type": "next", "payload": {"data": {"taskEvents": event}}}).encode()


def socket(*messages: bytes, failure: str | None = None) -> Any:
    return cast(Any, SimpleNamespace(received=[(float(at), text) for at, text in enumerate(messages)], failure=failure))


HISTORY = (
    message("CREATED", 1, {"id": "task_1", "status": "QUEUED"}),
    message("STARTED", 2, {"id": "task_1", "status": "RUNNING"}),
    message("SUCCEEDED", 3, DONE),
)


def test_a_page_is_right_with_exactly_its_tasks_in_order() -> None:
    expected = Page(["task_2", "task_1"], "FAILED")
    assert expected.problem(page(node("task_2"), node("task_1"))) is None


@pytest.mark.parametrize(
    "body",
    [
        page(node("task_2")),
        page(node("task_1"), node("task_2")),
        page(node("task_2"), node("task_1", status="SUCCEEDED")),
        page(node("task_2"), node("task_1", template=None)),
        b'{"data": null, "errors": [{"message": "no"}]}',
    ],
    ids=["one-missing", "other-order", "other-status", "no-template", "errors"],
)
def test_any_other_page_is_a_failure(body: bytes) -> None:
    assert Page(["task_2", "task_1"], "FAILED").problem(body) is not None


@pytest.mark.parametrize(
    ("task", "right"),
    [
        ({"id": "task_1", "status": "FAILED"}, True),
        ({"id": "task_2", "status": "FAILED"}, False),
        ({"id": "task_1", "status": "QUEUED"}, False),
        (None, False),
    ],
    ids=["it", "another", "other-status", "null"],
)
def test_one_task_is_right_with_its_id_and_status(task: Any, right: bool) -> None:
    problem = One("task_1", "FAILED").problem(json.dumps({"data": {"task": task}}).encode())
    assert (problem is None) is right


@pytest.mark.parametrize(
    "payload",
    [
        {"data": {"createTask": {"task": None, "errors": [{"code": "LIMIT_EXCEEDED"}]}}},
        {"data": {"createTask": {"task": {"id": "task_1", "status": "WAITING"}, "errors": []}}},
        {"data": None, "errors": [{"message": "no"}]},
    ],
    ids=["refused", "waits-for-credits", "errors"],
)
def test_a_create_that_is_not_queued_is_a_failure(payload: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"LIMIT_EXCEEDED|is WAITING|\"no\""):
        created_id(json.dumps(payload).encode())


def told(*sockets: Any) -> list[str]:
    """The failures of a run in which task_1 was created, and these subscriptions heard of it."""
    run = Run([], sockets, [])
    run.note_created("task_1", 0, sent_at=0.0, answered_at=0.1)
    return run.outcome(0.0, 1.0, cast(Any, None)).failures


def test_a_task_whose_events_came_once_in_order_is_right() -> None:
    assert told(socket(*HISTORY)) == []


@pytest.mark.parametrize(
    ("messages", "failure"),
    [
        (HISTORY[:2], "task_1: its end was not told"),
        ((HISTORY[0], HISTORY[2]), "task_1: event 3 after 1"),
        ((*HISTORY, HISTORY[2]), "task_1: event 3 after 3"),
        ((*HISTORY[:2], message("FAILED", 3, DONE | {"status": "FAILED"})), "task_1: FAILED"),
        ((*HISTORY[:2], message("SUCCEEDED", 3, DONE | {"output": {"summary": ""}})), "task_1 succeeded with"),
        ((*HISTORY[:2], message("SUCCEEDED", 3, DONE | {"cost": 0})), "task_1 succeeded with"),
        ((*HISTORY, message("SNAPSHOT", 3, DONE, gap=True)), '"gap": true'),
    ],
    ids=["no-end", "one-missing", "twice", "failed", "other-output", "for-nothing", "gap"],
)
def test_any_other_history_is_a_failure(messages: tuple[bytes, ...], failure: str) -> None:
    assert any(failure in found for found in told(socket(*messages)))


def test_a_subscription_that_ended_is_a_failure() -> None:
    assert told(socket(*HISTORY, failure="closed 1012")) == ["a subscription ended: closed 1012"]


def heard(*orders: str, created: str) -> list[str]:
    """The failures of a crowd whose subscribers heard of these tasks, one letter each, in this order."""
    crowd = Crowd([], lambda _: b"")
    crowd.created += list(created)
    crowd.sockets += [socket(*(message("CREATED", 1, {"id": id_}) for id_ in order)) for order in orders]
    crowd.check()
    return crowd.failures.told()


def test_a_crowd_is_right_when_all_got_all_in_one_order() -> None:
    assert heard("bac", "bac", created="abc") == []


@pytest.mark.parametrize(
    ("orders", "failure"),
    [
        (("abc", "ab"), "a subscriber got 2 of 3 events, 0 of them again"),
        (("abc", "abbc"), "a subscriber got 3 of 3 events, 1 of them again"),
        (("abc", "acb"), "subscribers got the same events in 2 orders"),
    ],
    ids=["one-missing", "one-twice", "other-order"],
)
def test_a_crowd_of_which_one_got_something_else_is_a_failure(orders: tuple[str, str], failure: str) -> None:
    assert failure in heard(*orders, created="abc")


def test_failures_are_told_once_with_how_often_they_came_and_not_more_than_can_be_read() -> None:
    # given
    failures = Failures()
    # when
    for reason in (None, "lost", "lost"):
        failures.add(reason)
    for number in range(KEPT_FAILURES + 4):
        failures.add(f"wrong {number}")
    failures.add("lost")
    # then
    told = failures.told()
    assert (told[0], told[1], told[-1]) == ("lost (3 times)", "wrong 0", "and 5 more")
    assert len(told) == KEPT_FAILURES + 1
