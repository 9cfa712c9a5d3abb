"""What became of each demo task of a set."""

from collections.abc import Iterator, Mapping, Sequence
from datetime import datetime
from typing import NamedTuple
from uuid import UUID

from app.models import TaskComplexity
from app.models import TaskEventKind as Kind
from app.services.seed.companies import Company
from app.services.seed.identity import BEGINNING, HISTORY, chance, row_id
from app.services.seed.rows import AttemptRow, EventRow, TaskRow
from app.services.seed.story import EXPIRY, Routes, Story
from app.services.seed.texts import Exchange, stock
from app.services.task.ending import CHARGED

_WORKER_PROCESSES = ("worker-1", "worker-2", "worker-3")
_TAGS = ("vip", "returns", "newsletter", "escalated", "spring-campaign", "wholesale")
_CANCEL_REASONS = ("duplicate", "no longer needed", "customer withdrew")


class Fate(NamedTuple):
    """How a task ends, and after how many attempts that were repeated. `started`: a worker got to it."""

    end: Kind
    retries: int = 0
    started: bool = True


LEFT_QUEUED = Fate(Kind.QUEUED, started=False)
FATES: dict[Fate, float] = {
    Fate(Kind.SUCCEEDED): 0.84,
    Fate(Kind.SUCCEEDED, retries=1): 0.055,
    Fate(Kind.SUCCEEDED, retries=2): 0.01,
    Fate(Kind.FAILED): 0.02,
    Fate(Kind.FAILED, retries=2): 0.02,
    Fate(Kind.CANCELED, started=False): 0.02,
    Fate(Kind.CANCELED): 0.02,
    Fate(Kind.EXPIRED, started=False): 0.015,
}


class History(NamedTuple):
    task: TaskRow
    attempts: list[AttemptRow]
    events: list[EventRow]


class Narrator:
    """Tells the histories of a set, oldest task first. `versions` maps a template's slug to its version's id."""

    def __init__(
        self, set_number: int, companies: Sequence[Company], versions: Mapping[str, UUID], routes: Routes
    ) -> None:
        self._set_number = set_number
        self._companies = companies
        self._versions = versions
        self._routes = routes
        self._choices = chance(set_number, "tasks")
        self._stock = stock(chance(set_number, "texts"))
        self._slugs = tuple(self._stock)

    def tell(self, tasks: int, queued: int) -> Iterator[History]:
        """The newest `queued` tasks are left to a worker. The first company has the most tasks, and so on."""
        choices = self._choices
        # More and more every day.
        moments = sorted(choices.random() ** 0.5 for _ in range(tasks))
        weights = [1 / (rank + 1) for rank in range(len(self._companies))]
        companies = choices.choices(self._companies, weights, k=tasks)
        fates = choices.choices(tuple(FATES), tuple(FATES.values()), k=max(0, tasks - queued))
        fates += [LEFT_QUEUED] * (tasks - len(fates))
        for number, (moment, company, fate) in enumerate(zip(moments, companies, fates, strict=True)):
            yield self._history(number, BEGINNING + HISTORY * moment, company, fate)

    def _history(self, number: int, created_at: datetime, company: Company, fate: Fate) -> History:
        choices = self._choices
        slug = choices.choice(self._slugs)
        exchange = choices.choice(self._stock[slug])
        worker_id, provider = choices.choice(company.workers) if choices.random() < 0.25 else (None, None)
        complexity, cost_sensitive = _complexity(choices.random()), choices.random() < 0.2
        way = self._routes.find(complexity, cost_sensitive, provider)
        task_id = row_id(created_at, self._set_number, number)
        story = Story(task_id, company.workspace_id, worker_id, way, created_at, choices)
        reason = _CANCEL_REASONS[number % len(_CANCEL_REASONS)]
        _live(story, fate, exchange, reason)
        succeeded = fate.end is Kind.SUCCEEDED
        spent = sum(attempt.cost_micros for attempt in story.attempts)
        task = TaskRow(
            id=task_id,
            workspace_id=company.workspace_id,
            type=slug,
            status=story.status,
            input=exchange.input,
            output=exchange.output if succeeded else None,
            error=story.error,
            template_version_id=self._versions[slug],
            worker_id=worker_id,
            # Most tasks come from programs; an API key is nobody.
            created_by=choices.choice(company.user_ids) if choices.random() < 0.3 else None,
            complexity=complexity,
            cost_sensitive=cost_sensitive,
            priority=5 if choices.random() < 0.8 else choices.randint(1, 9),
            progress=1.0 if succeeded else None,
            routing=way.text,
            cost_micros=min(spent, way.ceiling_micros) if fate.end in CHARGED else 0,
            reserved_micros=way.ceiling_micros if fate is LEFT_QUEUED else 0,
            spent_micros=spent,
            holds=1,
            attempt=story.attempt,
            leased_by=choices.choice(_WORKER_PROCESSES) if fate.started else None,
            expires_at=created_at + EXPIRY if fate.end is Kind.EXPIRED else None,
            cancel_requested_at=story.cancel_requested_at,
            cancel_reason=reason if story.cancel_requested_at else None,
            metadata=f'{{"source": "seed", "number": {number + 1}}}',
            tags=[choices.choice(_TAGS)] if choices.random() < 0.3 else [],
            version=len(story.events),
            event_seq=len(story.events),
            created_at=created_at,
            started_at=story.attempts[0].started_at if story.attempts else None,
            finished_at=None if fate is LEFT_QUEUED else story.now,
        )
        return History(task, story.attempts, story.events)


def _live(story: Story, fate: Fate, exchange: Exchange, reason: str) -> None:
    for _ in range(fate.retries):
        story.start()
        story.retry()
    if fate.started:
        story.start()
    match fate.end, fate.started:
        case Kind.SUCCEEDED, _:
            story.succeed(exchange)
        case Kind.FAILED, _:
            story.fail(retryable=fate.retries > 0)
        case Kind.CANCELED, True:
            story.cancel_running(exchange, reason)
        case Kind.CANCELED, False:
            story.cancel_waiting(reason)
        case Kind.EXPIRED, _:
            story.expire()


def _complexity(chance: float) -> TaskComplexity:
    if chance < 0.15:
        return TaskComplexity.HIGH
    return TaskComplexity.LOW if chance < 0.4 else TaskComplexity.NORMAL
