"""Compares what clients and subscribers were told with what the API shows in the end. Pure."""

import itertools
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tests.chaos.load import Ledger
from tests.chaos.subscribers import Event, Subscriber
from tests.chaos.tasks import TaskRecord

TERMINAL = frozenset({"SUCCEEDED", "FAILED", "CANCELED", "EXPIRED"})


@dataclass(slots=True)
class Verdict:
    """Each violation is one line that names what it is about."""

    lost: list[str] = field(default_factory=list)
    doubled: list[str] = field(default_factory=list)
    inconsistent: list[str] = field(default_factory=list)
    missed: list[str] = field(default_factory=list)
    duplicated: list[str] = field(default_factory=list)
    invented: list[str] = field(default_factory=list)
    misordered: list[str] = field(default_factory=list)
    unsound: list[str] = field(default_factory=list)
    other: list[str] = field(default_factory=list)

    @property
    def violations(self) -> list[str]:
        named = {
            "lost": self.lost,
            "doubled": self.doubled,
            "inconsistent": self.inconsistent,
            "missed event": self.missed,
            "duplicate event": self.duplicated,
            "event that is not in the log": self.invented,
            "out of order": self.misordered,
            "ledger": self.unsound,
            "other": self.other,
        }
        return [f"{name}: {line}" for name, lines in named.items() for line in lines]


def check_creates(verdict: Verdict, ledger: Ledger, workspaces: Sequence[Sequence[TaskRecord]]) -> None:
    """Every acknowledged task exists and has ended; no key made two."""
    records = {record.id: record for tasks in workspaces for record in tasks}
    by_key: defaultdict[str, list[str]] = defaultdict(list)
    for record in records.values():
        by_key[record.key].append(record.id)
    for known in ledger.acknowledged.values():
        found = records.get(known.task_id)
        if found is None:
            verdict.lost.append(f"{known.task_id} (key {known.key}) was acknowledged and does not exist")
        elif found.status not in TERMINAL:
            verdict.lost.append(f"{known.task_id} (key {known.key}) is still {found.status}")
    doubled = {key: ids for key, ids in by_key.items() if len(ids) > 1}
    verdict.doubled += [f"key {key} made {', '.join(ids)}" for key, ids in doubled.items()]
    # Of one that made two tasks it goes without saying.
    answers = {key: story for key, story in ledger.contradicted.items() if key not in doubled}
    verdict.doubled += [f"key {key} was answered with {story}" for key, story in answers.items()]
    verdict.other += [f"create {key} was never answered" for key in sorted(ledger.unanswered)]


def check_task(verdict: Verdict, task: TaskRecord) -> None:
    """Its history is whole and agrees with its state."""
    kinds = [event.kind for event in task.events]
    ends = [kind for kind in kinds if kind in TERMINAL]
    # An attempt begins with a claim, or in the same hands where the one before failed.
    starts = kinds.count("STARTED") + kinds.count("PROGRESS")
    numbers = [number for number, _ in task.attempts]
    statuses = [status for _, status in task.attempts]
    after_cancel = kinds[kinds.index("CANCEL_REQUESTED") :] if "CANCEL_REQUESTED" in kinds else []
    expected_wins = [] if task.status != "SUCCEEDED" else [task.attempt_count]
    claims = {
        "its history fits one page": task.whole,
        "seq is 1, 2, 3 …": [event.seq for event in task.events] == list(range(1, len(kinds) + 1)),
        "one terminal event, the last, as its status": ends == kinds[-1:] == [task.status],
        "one STARTED or PROGRESS for each attempt": starts == task.attempt_count,
        "attempts are numbered 1 to attemptCount": numbers == list(range(1, task.attempt_count + 1)),
        "only the last attempt of a success succeeded": [
            number for number, status in task.attempts if status == "SUCCEEDED"
        ]
        == expected_wins,
        "no attempt runs on": "RUNNING" not in statuses,
        "nothing starts after a cancel": "STARTED" not in after_cancel,
    }
    story = f"{task.id} {task.status}: {kinds}, attempts {task.attempts} of {task.attempt_count}"
    verdict.inconsistent += [f"not so: {claim}. {story}" for claim, holds in claims.items() if not holds]


def check_subscriber(verdict: Verdict, subscriber: Subscriber, tasks: Iterable[TaskRecord]) -> None:
    """It was open before the first task, so it has to have everything, once, each task's events in order."""
    expected = {event for task in tasks for event in task.events}
    counts = Counter(subscriber.received)
    name = subscriber.name
    verdict.missed += [f"{name}: {_line(event)}" for event in expected - counts.keys()]
    verdict.invented += [f"{name}: {_line(event)}" for event in counts.keys() - expected]
    verdict.duplicated += [f"{name}: {_line(event)} x {n}" for event, n in counts.items() if n > 1]
    verdict.misordered += [f"{name}: {_line(event)} after seq {seq}" for event, seq in _backwards(subscriber.received)]
    verdict.other += subscriber.gaps


def _backwards(events: Iterable[Event]) -> list[tuple[Event, int]]:
    last: dict[str, int] = {}
    wrong = []
    for event in events:
        if event.seq < last.get(event.task_id, 0):
            wrong.append((event, last[event.task_id]))
        last[event.task_id] = event.seq
    return wrong


def _line(event: Event) -> str:
    return f"{event.task_id} {event.seq} {event.kind}"


def longest_outage(begun: float, ended: float, acknowledged_at: Iterable[float]) -> tuple[float, float]:
    """The longest time without an acknowledged create, and how long after the begin of the load it began; seconds."""
    moments = [begun, *sorted(at for at in acknowledged_at if at <= ended), ended]
    return max((later - earlier, earlier - begun) for earlier, later in itertools.pairwise(moments))


def count_by_status(workspaces: Sequence[Sequence[TaskRecord]], ledger: Ledger) -> Mapping[str, int]:
    """Of the acknowledged tasks."""
    known = {item.task_id for item in ledger.acknowledged.values()}
    return Counter(task.status for tasks in workspaces for task in tasks if task.id in known)
