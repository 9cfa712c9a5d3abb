import dataclasses
import json
from collections import Counter
from itertools import pairwise
from uuid import UUID

import pytest

from app.models import TaskEventKind, TaskStatus
from app.services.account import api_keys
from app.services.seed.companies import Company, found
from app.services.seed.history import History, Narrator
from app.services.seed.identity import BEGINNING, END, chance
from app.services.seed.story import Routes
from app.services.seed.texts import stock
from app.services.task.lifecycle import TRANSITIONS
from app.services.task.structured import parse_output
from app.services.template import builtin
from app.services.template.schema_check import check_input, resolve_output_schema
from tests.unit.routing.seeded import seeded_catalogue

VERSIONS = {template.slug: UUID(int=number) for number, template in enumerate(builtin.load())}
TASKS = 1_500
QUEUED = 10


def tell(set_number: int = 1) -> list[History]:
    return list(Narrator(set_number, found(set_number, 4), VERSIONS, Routes(seeded_catalogue())).tell(TASKS, QUEUED))


@pytest.fixture(scope="module")
def histories() -> list[History]:
    return tell()


def test_a_set_is_the_same_every_time_but_for_its_keys(histories: list[History]) -> None:
    def without_key(company: Company) -> Company:
        rows = {table: rows for table, rows in company.rows.items() if table != "api_keys"}
        return dataclasses.replace(company, key=api_keys.from_secret("no matter"), rows=rows)

    first, second = found(1, 4), found(1, 4)

    assert tell() == histories
    assert list(map(without_key, first)) == list(map(without_key, second))
    assert {company.key.secret for company in first}.isdisjoint(company.key.secret for company in second)


def test_sets_share_no_id(histories: list[History]) -> None:
    others = {history.task.id for history in tell(2)}

    assert others.isdisjoint(history.task.id for history in histories)
    assert {company.workspace_id for company in found(1, 4)}.isdisjoint(item.workspace_id for item in found(2, 4))


def test_ids_are_uuid7_in_the_order_of_creation(histories: list[History]) -> None:
    ids = [history.task.id for history in histories]

    assert ids == sorted(set(ids))
    assert {value.version for value in ids} == {7}
    for history in histories:
        assert history.task.id.int >> 80 == int(history.task.created_at.timestamp() * 1000)
        assert BEGINNING <= history.task.created_at < END


def test_events_follow_the_state_machine(histories: list[History]) -> None:
    for task, attempts, events in histories:
        assert [event.seq for event in events] == list(range(1, task.event_seq + 1))
        assert events[0][3:7] == (TaskEventKind.CREATED, TaskStatus.QUEUED, 0, "{}")
        for before, after in pairwise(events):
            transition = TRANSITIONS[TaskEventKind(after.kind)]
            assert before.status in transition.sources
            assert after.status == transition.target
            assert after.at >= before.at
            assert after.attempt - before.attempt == (after.kind == TaskEventKind.STARTED)
        assert (events[-1].status, events[-1].attempt) == (task.status, task.attempt)
        assert task.version == task.event_seq
        assert len(attempts) == task.attempt


def test_attempts_add_up_to_their_task(histories: list[History]) -> None:
    for task, attempts, events in histories:
        assert [attempt.number for attempt in attempts] == list(range(1, task.attempt + 1))
        assert task.cost_micros == sum(attempt.cost_micros for attempt in attempts)
        assert all(attempt.status == TaskStatus.FAILED for attempt in attempts[:-1])
        assert not attempts or task.status == attempts[-1].status
        started = [event.at for event in events if event.kind == TaskEventKind.STARTED]
        assert [attempt.started_at for attempt in attempts] == started
        assert task.started_at == (started[0] if started else None)
        assert all(attempt.finished_at >= attempt.started_at for attempt in attempts)


def test_ends_leave_what_the_service_would_leave(histories: list[History]) -> None:
    for task, attempts, events in histories:
        data = json.loads(events[-1].data)
        assert (task.output is not None) == (task.status == TaskStatus.SUCCEEDED) == (task.progress == 1.0)
        assert (task.error is not None) == (task.status == TaskStatus.FAILED)
        assert task.error is None or data["error"] == json.loads(task.error) == json.loads(str(attempts[-1].error))
        assert (task.cancel_reason is not None) == (task.status == TaskStatus.CANCELED)
        assert task.finished_at == (None if task.status == TaskStatus.QUEUED else events[-1].at)
        assert task.expires_at == (task.finished_at if task.status == TaskStatus.EXPIRED else None)


def test_most_succeed_and_only_the_newest_wait(histories: list[History]) -> None:
    statuses = [history.task.status for history in histories]
    counts = Counter(statuses)

    assert statuses[-QUEUED:] == [TaskStatus.QUEUED] * QUEUED
    assert counts[TaskStatus.QUEUED] == QUEUED
    assert counts[TaskStatus.SUCCEEDED] > 0.85 * TASKS
    assert set(counts) == {"SUCCEEDED", "FAILED", "CANCELED", "EXPIRED", "QUEUED"}


def test_the_first_workspace_is_the_biggest(histories: list[History]) -> None:
    sizes = Counter(history.task.workspace_id for history in histories)

    assert [sizes[company.workspace_id] for company in found(1, 4)] == sorted(sizes.values(), reverse=True)


@pytest.mark.parametrize("template", builtin.load(), ids=lambda template: template.slug)
def test_inputs_and_outputs_fit_their_template(template: builtin.BuiltinTemplate) -> None:
    for exchange in stock(chance(1, "texts"))[template.slug]:
        given = json.loads(exchange.input)
        check_input(template.input_schema, given)
        parse_output(exchange.output, resolve_output_schema(template.output_schema, given))
