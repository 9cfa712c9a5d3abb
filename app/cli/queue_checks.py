"""What the figures of the queue mean, and which tasks are stuck in it."""

from collections.abc import Iterator
from datetime import datetime, timedelta

from app.cli import view
from app.cli.check import NAMED, Check, Finding
from app.services.task.health import QueueHealth, StuckKind, StuckTask, StuckTasks

# Workers look for due tasks every second, and for lost leases, too.
PATIENCE = timedelta(seconds=30)


def queue_checks(health: QueueHealth, stuck: StuckTasks) -> Iterator[Check]:
    yield _queue(health, stuck[StuckKind.DUE])
    yield _leases(health, stuck[StuckKind.LEASE_LOST])
    yield _attempts(health, stuck[StuckKind.ATTEMPT_DEAD])
    yield _lost_tasks(stuck[StuckKind.WORKER_LOST])


def _queue(health: QueueHealth, tasks: tuple[StuckTask, ...]) -> Check:
    """A long wait is wrong where nothing runs; where something does, it is a lot of work."""
    waited = max(_since(health.now, health.oldest_due_since), _longest(health.now, tasks))
    text = f"{max(health.due, len(tasks))} tasks due, the oldest for {_words(waited)}; {health.running} running"
    if waited < PATIENCE:
        return Check("queue", Finding.OK, text if health.due else f"no task is due; {health.running} running")
    if health.running > health.leases_lost:
        advice = (
            "The workers are busy: start another `bizq worker` to do more at once, or raise a workspace's limit "
            "(`bizq workspace list`)."
        )
        return Check("queue", Finding.WARNING, text, advice, tasks)
    advice = "No worker takes them: start `bizq worker`, or look at its log."
    return Check("queue", Finding.FAILED, text, advice, tasks)


def _leases(health: QueueHealth, tasks: tuple[StuckTask, ...]) -> Check:
    overdue = max(_since(health.now, health.oldest_lease_lost_at), _longest(health.now, tasks))
    if not (health.leases_lost or tasks):
        return Check("leases", Finding.OK, "every running task has a living worker")
    text = (
        f"{max(health.leases_lost, len(tasks))} running tasks have lost their worker, the first {_words(overdue)} ago"
    )
    if overdue < PATIENCE:
        return Check("leases", Finding.OK, text, None, tasks)
    return Check("leases", Finding.FAILED, text, "A living worker takes them over: start `bizq worker`.", tasks)


def _attempts(health: QueueHealth, dead: tuple[StuckTask, ...]) -> Check:
    if health.orphaned_attempts or dead:
        text = f"{max(health.orphaned_attempts, len(dead))} attempts are open although their tasks have gone on"
        advice = "This should not happen: please report it, with the worker's log."
        return Check("attempts", Finding.FAILED, text, advice, dead)
    if health.lost_attempts:
        text = f"{health.lost_attempts} attempts in 24 hours were lost with their worker, and tried again"
        return Check("attempts", Finding.WARNING, text, "Look at why workers die: memory, restarts, the machine.")
    return Check("attempts", Finding.OK, "none was lost in 24 hours")


def _lost_tasks(tasks: tuple[StuckTask, ...]) -> Check:
    if not tasks:
        return Check("lost tasks", Finding.OK, "none ended in 24 hours because its workers died")
    count = f"more than {NAMED}" if len(tasks) > NAMED else str(len(tasks))
    text = f"{count} ended FAILED in 24 hours because their workers died"
    advice = "When workers live again, for each workspace: `bizq task retry --failed-since 24h --error worker_lost`."
    return Check("lost tasks", Finding.WARNING, text, advice, tasks)


def _longest(now: datetime, tasks: tuple[StuckTask, ...]) -> timedelta:
    return max((now - task.since for task in tasks), default=timedelta(0))


def _since(now: datetime, moment: datetime | None) -> timedelta:
    return now - moment if moment is not None else timedelta(0)


def _words(time: timedelta) -> str:
    return view.duration(time.total_seconds())
