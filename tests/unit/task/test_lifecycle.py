from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.models import TaskEventKind as Kind
from app.models import TaskStatus as Status
from app.services.task import lifecycle
from app.services.task.lifecycle import TERMINAL, TRANSITIONS, attempts_left, retry_delay, target
from app.services.task.retry import REVIVABLE

KINDS = st.sampled_from(Kind)


@pytest.mark.parametrize("status", sorted(TERMINAL))
def test_the_only_way_out_of_an_end_is_to_be_queued_again(status: Status) -> None:
    ways_out = {kind: target(kind, status) for kind in Kind if target(kind, status) is not None}

    assert ways_out == ({Kind.QUEUED: Status.QUEUED} if status in REVIVABLE else {})


def test_success_is_final() -> None:
    assert Status.SUCCEEDED not in REVIVABLE
    assert {target(kind, Status.SUCCEEDED) for kind in Kind} == {None}


@pytest.mark.parametrize("kind", sorted(set(Kind) - {Kind.SNAPSHOT, Kind.CREATED}))
def test_every_event_that_moves_a_task_leads_from_a_status_to_a_status(kind: Kind) -> None:
    transition = TRANSITIONS[kind]

    assert isinstance(transition.target, Status)
    assert transition.sources and all(isinstance(source, Status) for source in transition.sources)


def test_snapshot_and_creation_move_nothing() -> None:
    assert {target(kind, status) for kind in (Kind.SNAPSHOT, Kind.CREATED) for status in Status} == {None}


def test_an_event_named_like_an_end_leads_to_that_end() -> None:
    assert {kind: TRANSITIONS[kind].target for kind in TRANSITIONS if kind.value in set(TERMINAL)} == {
        Kind.SUCCEEDED: Status.SUCCEEDED,
        Kind.FAILED: Status.FAILED,
        Kind.CANCELED: Status.CANCELED,
        Kind.EXPIRED: Status.EXPIRED,
    }


@pytest.mark.parametrize("status", sorted(set(Status) - TERMINAL))
def test_every_unfinished_task_can_be_cancelled(status: Status) -> None:
    assert target(Kind.CANCELED, status) is Status.CANCELED


@given(st.sampled_from([Status.SCHEDULED, Status.QUEUED]), st.lists(KINDS, max_size=60))
def test_no_walk_leaves_the_table(status: Status, events: list[Kind]) -> None:
    for kind in events:
        following = target(kind, status)
        if following is None:
            continue
        assert status in TRANSITIONS[kind].sources
        assert following in set(Status)
        assert status not in TERMINAL or kind is Kind.QUEUED
        status = following


@given(st.lists(KINDS, max_size=60))
def test_a_task_runs_only_after_it_was_queued(events: list[Kind]) -> None:
    path = [Status.SCHEDULED]
    for kind in events:
        path.append(target(kind, path[-1]) or path[-1])

    for before, after in pairwise(path):
        if after is Status.RUNNING:
            assert before in (Status.QUEUED, Status.RUNNING)


@given(st.integers(1, 50), st.floats(0, 1, exclude_max=True))
def test_retry_delay_is_full_jitter_below_a_doubling_ceiling(tries: int, luck: float) -> None:
    delay = retry_delay(tries, retry_after=None, random=lambda: luck)

    assert 0 <= delay <= min(300.0, 2.0 * 2 ** (tries - 1))
    assert delay == luck * min(300.0, 2.0 * 2 ** (tries - 1))


@given(st.integers(1, 50), st.floats(0, 1, exclude_max=True), st.floats(0, 1e9))
def test_a_vendor_that_says_when_is_believed_up_to_five_minutes(tries: int, luck: float, retry_after: float) -> None:
    delay = retry_delay(tries, retry_after=retry_after, random=lambda: luck)

    assert min(retry_after, 300.0) <= delay <= 300.0


@given(st.integers(0, 10_000), st.integers(0, 10_000), st.integers(1, 10))
def test_attempts_left_are_never_negative_nor_more_than_allowed(attempt: int, before: int, most: int) -> None:
    left = attempts_left(attempt=max(attempt, before), attempts_before=before, max_attempts=most)

    assert 0 <= left <= most


def test_attempts_before_a_revival_do_not_count() -> None:
    assert attempts_left(attempt=3, attempts_before=0, max_attempts=3) == 0
    assert attempts_left(attempt=4, attempts_before=3, max_attempts=3) == 2
    assert lifecycle.DEFAULT_MAX_ATTEMPTS == 3
