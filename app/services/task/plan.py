"""What becomes of a task before it is one: checked, its prompt counted, its model chosen. Nothing is written.

A real task, a quote and an explanation all come from here.
"""

from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

import orjson
from sqlalchemy import Row

from app.errors import InvalidInput
from app.models import WorkerKind
from app.services.billing import tokens
from app.services.routing.decide import Installation, RoutingDecision, RoutingRequest, decide
from app.services.routing.installation import Router
from app.services.routing.policy import Standing, standing
from app.services.task import prompt
from app.services.task.draft import TaskDraft, check
from app.services.template import queries as templates
from app.services.template.schema_check import check_input
from app.services.worker import queries as workers
from app.services.worker.limits import WorkerLimits
from app.unit_of_work import UnitOfWork

# What a task may cost at most where nobody says: twice its template's price, and never more than a credit.
DEFAULT_CEILING_MICROS = 1_000_000
TEMPLATE_PRICES = 2


@dataclass(frozen=True, slots=True)
class Terms:
    """On which this installation takes tasks at present."""

    here: Installation
    max_input_bytes: int


@dataclass(frozen=True, slots=True)
class Intake:
    router: Router
    max_input_bytes: int

    async def terms(self) -> Terms:
        """Before a transaction: the catalogue may be read, through a connection of its own."""
        return Terms(await self.router.installation(), self.max_input_bytes)


@dataclass(frozen=True, slots=True)
class Plan:
    """`decision` is None for a person's or another system's work: no model does it, so no worker process claims it."""

    draft: TaskDraft
    version_id: UUID | None
    template_id: UUID | None
    decision: RoutingDecision | None

    @property
    def ceiling_micros(self) -> int:
        return self.decision.ceiling_micros if self.decision is not None else 0


@dataclass(frozen=True, slots=True)
class Planner:
    """For the tasks of one transaction: they are decided by the same state of the world, which is read once."""

    uow: UnitOfWork
    max_input_bytes: int
    here: Installation
    standing: Standing
    versions: dict[tuple[UUID | None, str], Row[Any] | None] = field(default_factory=dict)
    workers: dict[UUID, Row[Any]] = field(default_factory=dict)

    @classmethod
    async def begin(cls, uow: UnitOfWork, terms: Terms) -> "Planner":
        mine = await standing(uow.session)
        return cls(uow, terms.max_input_bytes, terms.here.seen_with(mine.own), mine)

    async def plan(self, draft: TaskDraft, api_key_id: UUID | None) -> Plan:
        """For a caller with this key, if any. Raises InvalidInput, LimitExceeded, NotFound or NoProvider, with the
        field's name."""
        check(draft, now=self.uow.now, max_input_bytes=self.max_input_bytes)
        version = await self._version(draft)
        if version is not None and version.input_schema is not None:
            check_input(version.input_schema, draft.input)
        worker = await self._worker(draft.worker_id) if draft.worker_id else None
        if worker is not None and not worker.enabled:
            raise InvalidInput("This worker is disabled.", ("workerId",))
        template_id = version.template_id if version is not None else None
        version_id = version.id if version is not None else None
        if worker is not None and worker.kind != WorkerKind.AI:
            return Plan(draft, version_id, template_id, None)
        request = self._request(draft, version, worker, api_key_id)
        try:
            return Plan(draft, version_id, template_id, decide(request, self.here))
        except InvalidInput as error:
            if error.path == ("maxCost",) and request.most_micros == _limits(worker).max_cost_micros:
                raise InvalidInput(f"{error.message} That is the limit of the worker.", ("workerId",)) from None
            raise

    async def _version(self, draft: TaskDraft) -> Row[Any] | None:
        key = draft.template_id, draft.type
        if key not in self.versions:
            self.versions[key] = await templates.version_for(
                self.uow.session, template_id=draft.template_id, slug=draft.type
            )
        return self.versions[key]

    async def _worker(self, worker_id: UUID) -> Row[Any]:
        if worker_id not in self.workers:
            self.workers[worker_id] = await workers.get(self.uow.session, worker_id)
        return self.workers[worker_id]

    def _request(
        self, draft: TaskDraft, version: Row[Any] | None, worker: Row[Any] | None, api_key_id: UUID | None
    ) -> RoutingRequest:
        asked = prompt.build(
            {"type": draft.type, "input": draft.input},
            version._mapping if version is not None else None,
            worker._mapping if worker is not None else None,
        )
        schema = orjson.dumps(asked.output_schema).decode() if asked.output_schema is not None else ""
        config: dict[str, Any] = version.config if version is not None else {}
        limits = _limits(worker)
        whose = (draft.worker_id, version.template_id if version is not None else None, api_key_id)
        return RoutingRequest(
            complexity=draft.complexity,
            cost_sensitive=draft.cost_sensitive,
            model=draft.model,
            worker_provider=worker.provider if worker is not None else None,
            worker_model=worker.model if worker is not None else None,
            policy=self.standing.policy,
            model_class=config.get("modelClass"),
            tier=config.get("tier"),
            capabilities=frozenset({"chat", "json_schema"} if schema else {"chat"}),
            input_tokens=tokens.at_most(asked.system, asked.user, schema),
            output_tokens=_least(asked.max_tokens, limits.max_output_tokens),
            most_micros=_least(_most(draft, config), limits.max_cost_micros),
            budget_passed=self.standing.budget_passed(*whose),
        )


def _limits(worker: Row[Any] | None) -> WorkerLimits:
    return WorkerLimits.of(worker._mapping if worker is not None else None)


def _least(wanted: int, limit: int | None) -> int:
    return wanted if limit is None else min(wanted, limit)


def _most(draft: TaskDraft, config: dict[str, Any]) -> int:
    if draft.max_cost_micros is not None:
        return draft.max_cost_micros
    price = config.get("priceMicros")
    return DEFAULT_CEILING_MICROS if price is None else min(TEMPLATE_PRICES * price, DEFAULT_CEILING_MICROS)
