"""The life of one demo task, event by event, as the state machine and the worker would have written it."""

import json
from dataclasses import dataclass
from datetime import datetime, timedelta
from functools import cache
from random import Random
from uuid import UUID

from app.models import TaskComplexity, TaskStatus
from app.models import TaskEventKind as Kind
from app.providers.chat import Usage
from app.providers.errors import ProviderError
from app.services.billing.price import cost_micros
from app.services.routing.catalogue import Catalogue
from app.services.routing.configured import DEFAULT_MODELS
from app.services.routing.decide import Candidate, Installation, RoutingDecision, RoutingRequest, decide
from app.services.seed.rows import AttemptRow, EventRow
from app.services.seed.texts import Exchange
from app.services.task.attempt import Failure
from app.services.task.lifecycle import TRANSITIONS, retry_delay

EXPIRY = timedelta(minutes=10)
_TEMPORARY = ("rate_limited", "overloaded", "server_error", "connection")
_FINAL = ("quota_exhausted", "bad_request", "request_too_large")
_TOKENS_PER_SECOND = 70.0
_FIRST_TOKEN_SECONDS = 0.4


# Of a task of the demo: its texts are short.
INPUT_TOKENS, OUTPUT_TOKENS = 500, 1_024


@dataclass(frozen=True, slots=True)
class Route:
    """A routing decision; `text` is its JSON."""

    candidate: Candidate
    ceiling_micros: int
    text: str


class Routes:
    """What was decided for the demo's tasks, by the rules of every day: there are few questions and many tasks."""

    def __init__(self, catalogue: Catalogue) -> None:
        self._here = Installation(catalogue, DEFAULT_MODELS)
        self._known: dict[tuple[TaskComplexity, bool, str | None], Route] = {}

    def find(self, complexity: TaskComplexity, cost_sensitive: bool, worker_provider: str | None) -> Route:
        request = RoutingRequest(
            complexity,
            cost_sensitive,
            worker_provider=worker_provider,
            input_tokens=INPUT_TOKENS,
            output_tokens=OUTPUT_TOKENS,
        )
        key = (complexity, cost_sensitive, worker_provider)
        return self._known.get(key) or self._known.setdefault(key, _route(decide(request, self._here)))


def _route(decision: RoutingDecision) -> Route:
    return Route(decision.candidates[0], decision.ceiling_micros, json.dumps(decision.as_json()))


class Story:
    """Begins with the task's creation; the other methods are what may happen next."""

    def __init__(
        self, task_id: UUID, workspace_id: UUID, worker_id: UUID | None, way: Route, at: datetime, choices: Random
    ) -> None:
        self.task_id = task_id
        self.now = at
        self.status = TaskStatus.QUEUED
        self.attempt = 0
        self.error: str | None = None
        self.cancel_requested_at: datetime | None = None
        self.events: list[EventRow] = []
        self.attempts: list[AttemptRow] = []
        self._workspace_id = workspace_id
        self._worker_id = worker_id
        self._route = way
        self._choices = choices
        self._begun_at = at
        self._log(Kind.CREATED, "{}")

    def expire(self) -> None:
        self.now += EXPIRY
        self._log(Kind.EXPIRED, "{}")

    def cancel_waiting(self, reason: str) -> None:
        self._pass(self._choices.uniform(0.2, 20))
        self.cancel_requested_at = self.now
        self._log(Kind.CANCELED, json.dumps({"reason": reason}))

    def start(self) -> None:
        """A worker claims it."""
        self._pass(self._choices.expovariate(2.0))
        self._begun_at = self.now
        self.attempt += 1
        self._log(Kind.STARTED, f'{{"attempt": {self.attempt}}}')

    def retry(self) -> None:
        """The attempt fails with what may pass; the next one is due after the usual delay."""
        error = _failure(self._route.candidate.provider, self._choices.choice(_TEMPORARY), retryable=True)
        self._pass(self._choices.uniform(0.1, 2))
        delay = retry_delay(self.attempt, retry_after=None, random=self._choices.random)
        due = self.now + timedelta(seconds=delay)
        at = json.dumps(due.isoformat())
        self._log(Kind.RETRY_SCHEDULED, f'{{"attempt": {self.attempt}, "error": {error}, "nextAttemptAt": {at}}}')
        self._close(TaskStatus.FAILED, error=error)
        self.now = due

    def fail(self, *, retryable: bool) -> None:
        """The last attempt fails, or one that another try could not help."""
        reason = self._choices.choice(_TEMPORARY if retryable else _FINAL)
        self.error = _failure(self._route.candidate.provider, reason, retryable=retryable)
        self._pass(self._choices.uniform(0.1, 2))
        self._log(Kind.FAILED, f'{{"attempt": {self.attempt}, "error": {self.error}}}')
        self._close(TaskStatus.FAILED, error=self.error)

    def succeed(self, exchange: Exchange) -> None:
        self._pass(_FIRST_TOKEN_SECONDS + exchange.output_tokens / _TOKENS_PER_SECOND)
        self._log(Kind.SUCCEEDED, f'{{"attempt": {self.attempt}}}')
        usage = Usage(exchange.input_tokens, exchange.output_tokens, 0)
        self._close(TaskStatus.SUCCEEDED, text=exchange.output, usage=usage)

    def cancel_running(self, exchange: Exchange, reason: str) -> None:
        """Somebody asks to stop it half-way; the worker does within a second. What was written is paid."""
        self._pass(_FIRST_TOKEN_SECONDS + exchange.output_tokens / _TOKENS_PER_SECOND / 2)
        self.cancel_requested_at = self.now
        self._log(Kind.CANCEL_REQUESTED, json.dumps({"reason": reason}))
        self._pass(self._choices.uniform(0.1, 1))
        self._log(Kind.CANCELED, f'{{"attempt": {self.attempt}}}')
        text = exchange.output[: len(exchange.output) // 2]
        self._close(TaskStatus.CANCELED, text=text, usage=Usage(exchange.input_tokens, exchange.output_tokens // 2, 0))

    def _pass(self, seconds: float) -> None:
        self.now += timedelta(seconds=seconds)

    def _log(self, kind: Kind, data: str) -> None:
        if kind is not Kind.CREATED:
            transition = TRANSITIONS[kind]
            assert self.status in transition.sources, f"{kind} cannot follow {self.status}"
            self.status = transition.target
        seq = len(self.events) + 1
        event = EventRow(self.task_id, seq, self._workspace_id, kind, self.status, self.attempt, data, self.now)
        self.events.append(event)

    def _close(
        self, status: TaskStatus, *, text: str = "", usage: Usage | None = None, error: str | None = None
    ) -> None:
        used = usage or Usage(0, 0, 0)
        self.attempts.append(
            AttemptRow(
                task_id=self.task_id,
                number=self.attempt,
                workspace_id=self._workspace_id,
                worker_id=self._worker_id,
                provider=self._route.candidate.provider,
                model=self._route.candidate.model,
                status=status,
                error=error,
                output_text=text,
                input_tokens=used.input_tokens,
                output_tokens=used.output_tokens,
                cached_input_tokens=used.cached_input_tokens,
                cost_micros=cost_micros(self._route.candidate.price, used),
                started_at=self._begun_at,
                finished_at=self.now,
            )
        )


@cache
def _failure(provider: str, reason: str, *, retryable: bool) -> str:
    error = ProviderError(provider, reason, retryable=retryable)
    return json.dumps(Failure(reason, error.message, retryable).as_json())
