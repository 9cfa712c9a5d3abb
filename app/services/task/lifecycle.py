"""The states of a task and the events that move it between them. Pure: no clock, no database.

An event is a transition: its kind says from which states it may come and to which it leads.
"""

from collections.abc import Callable
from dataclasses import dataclass

from app.models import TaskEventKind as Kind
from app.models import TaskStatus as Status

TERMINAL = frozenset({Status.SUCCEEDED, Status.FAILED, Status.CANCELED, Status.EXPIRED})
NOT_STARTED = frozenset({Status.SCHEDULED, Status.QUEUED, Status.WAITING})

BACKOFF_BASE_SECONDS = 2.0
BACKOFF_CAP_SECONDS = 300.0
DEFAULT_MAX_ATTEMPTS = 3


@dataclass(frozen=True, slots=True)
class Transition:
    sources: frozenset[Status]
    target: Status


TRANSITIONS: dict[Kind, Transition] = {
    # Due at last, or revived by a person after its end.
    Kind.QUEUED: Transition(
        frozenset({Status.SCHEDULED, Status.FAILED, Status.CANCELED, Status.EXPIRED}), Status.QUEUED
    ),
    Kind.STARTED: Transition(frozenset({Status.QUEUED}), Status.RUNNING),
    Kind.PROGRESS: Transition(frozenset({Status.RUNNING}), Status.RUNNING),
    Kind.RETRY_SCHEDULED: Transition(frozenset({Status.RUNNING}), Status.QUEUED),
    Kind.WAITING: Transition(frozenset({Status.RUNNING}), Status.WAITING),
    Kind.RESUMED: Transition(frozenset({Status.WAITING}), Status.QUEUED),
    Kind.SUCCEEDED: Transition(frozenset({Status.RUNNING}), Status.SUCCEEDED),
    Kind.FAILED: Transition(frozenset({Status.RUNNING, Status.WAITING}), Status.FAILED),
    Kind.CANCEL_REQUESTED: Transition(frozenset({Status.RUNNING}), Status.RUNNING),
    Kind.CANCELED: Transition(NOT_STARTED | {Status.RUNNING}, Status.CANCELED),
    Kind.EXPIRED: Transition(NOT_STARTED, Status.EXPIRED),
}


def target(kind: Kind, status: Status) -> Status | None:
    """The state that an event leads to from this one, or None where it cannot happen."""
    transition = TRANSITIONS.get(kind)
    return transition.target if transition and status in transition.sources else None


def attempts_left(*, attempt: int, attempts_before: int, max_attempts: int) -> int:
    """How many more tries the task has. Attempts made before a person revived it do not count."""
    return max(0, max_attempts - (attempt - attempts_before))


def retry_delay(tries: int, *, retry_after: float | None, random: Callable[[], float]) -> float:
    """Seconds until the next try after `tries` failed ones: 2 s x 2^n with full jitter, at most 5 minutes.

    A vendor that said when to come back is believed; coming earlier would only be refused again.
    """
    ceiling = min(BACKOFF_CAP_SECONDS, BACKOFF_BASE_SECONDS * 2.0 ** max(0, tries - 1))
    jittered = ceiling * random()
    return jittered if retry_after is None else max(jittered, min(retry_after, BACKOFF_CAP_SECONDS))
