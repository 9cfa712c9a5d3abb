"""The chaos run's own judgement: what it has to find, it finds."""

import random
from dataclasses import replace
from types import SimpleNamespace
from typing import Any, cast

import pytest

from tests.chaos.load import Acknowledged, Ledger
from tests.chaos.plan import Kind, plan
from tests.chaos.subscribers import Event, Subscriber
from tests.chaos.tasks import TaskRecord
from tests.chaos.verify import Verdict, check_creates, check_subscriber, check_task, longest_outage

KINDS = ["CREATED", "STARTED", "RETRY_SCHEDULED", "STARTED", "SUCCEEDED"]
EVENTS = [Event("task_1", seq, kind) for seq, kind in enumerate(KINDS, 1)]
TASK = TaskRecord("task_1", "key", "SUCCEEDED", 2, EVENTS, [(1, "FAILED"), (2, "SUCCEEDED")], whole=True)


def acknowledged(*ids: str) -> Ledger:
    return Ledger({f"key-{id_}": Acknowledged(f"key-{id_}", id_, 0, 0.1, 1.0) for id_ in ids})


def subscriber(received: list[Event]) -> Subscriber:
    made = Subscriber("watcher", 0, cast(Any, SimpleNamespace()), random.Random(1))
    made.received = received
    return made


def test_a_sound_run_has_no_violation() -> None:
    verdict = Verdict()
    check_creates(verdict, acknowledged("task_1"), [[TASK]])
    check_task(verdict, TASK)
    check_subscriber(verdict, subscriber(EVENTS), [TASK])

    assert verdict.violations == []


def test_an_acknowledged_task_that_is_gone_or_unfinished_is_lost() -> None:
    verdict = Verdict()
    check_creates(verdict, acknowledged("task_1", "task_2"), [[replace(TASK, status="RUNNING")]])

    assert [line.split(" ")[0] for line in verdict.lost] == ["task_1", "task_2"]


def test_two_tasks_of_one_key_are_doubled_in_whatever_workspace() -> None:
    verdict = Verdict()
    check_creates(verdict, acknowledged("task_1"), [[TASK], [replace(TASK, id="task_2")]])

    assert verdict.doubled == ["key key made task_1, task_2"]


@pytest.mark.parametrize(
    "wrong",
    [
        {"events": EVENTS[:2] + EVENTS[3:]},
        {"events": [*EVENTS, Event("task_1", 6, "SUCCEEDED")]},
        {"events": EVENTS[:-1]},
        {"status": "FAILED"},
        {"attempt_count": 3},
        {"attempts": [(1, "SUCCEEDED"), (2, "SUCCEEDED")]},
        {"attempts": [(1, "RUNNING"), (2, "SUCCEEDED")]},
        {"events": [*EVENTS[:2], Event("task_1", 3, "CANCEL_REQUESTED"), *EVENTS[3:]]},
        {"whole": False},
    ],
)
def test_a_history_that_contradicts_itself_is_found(wrong: dict[str, Any]) -> None:
    verdict = Verdict()
    check_task(verdict, replace(TASK, **wrong))

    assert verdict.inconsistent


def test_a_subscriber_that_missed_got_twice_or_got_late_is_found() -> None:
    verdict = Verdict()
    first, second, third, *_ = EVENTS
    check_subscriber(verdict, subscriber([first, third, second, second]), [TASK])

    assert sorted(verdict.missed) == ["watcher: task_1 4 STARTED", "watcher: task_1 5 SUCCEEDED"]
    assert verdict.duplicated == ["watcher: task_1 2 STARTED x 2"]
    assert verdict.misordered == ["watcher: task_1 2 STARTED after seq 3"]


def test_an_event_that_the_log_does_not_have_is_found() -> None:
    verdict = Verdict()
    check_subscriber(verdict, subscriber([*EVENTS, Event("task_9", 1, "CREATED")]), [TASK])

    assert verdict.invented == ["watcher: task_9 1 CREATED"]


def test_the_longest_outage_counts_from_the_beginning_and_to_the_end() -> None:
    assert longest_outage(0.0, 10.0, [1.0, 2.0, 4.0]) == (6.0, 4.0)
    assert longest_outage(0.0, 10.0, [5.0, 6.0, 9.5]) == (5.0, 0.0)


def test_a_seed_decides_the_plan_and_every_kind_of_fault_is_in_it() -> None:
    first, again = (plan(random.Random(7), 100, 150.0, apis=2, workers=2) for _ in range(2))

    assert first == again
    assert len(first) == 100
    assert {fault.kind for fault in first} == set(Kind)
    assert [fault.at for fault in first] == sorted(fault.at for fault in first)
