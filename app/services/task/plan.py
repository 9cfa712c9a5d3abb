"""What becomes of a task before it is one: checked, its prompt counted, its model chosen. Nothing is written.

A real task, a quote and an explanation all come from here.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Self, TypeAlias
from uuid import UUID

import orjson

from app import ids
from app.db.hot import Hot, Row
from app.errors import InvalidInput, NotFound
from app.models import WorkerKind
from app.services.billing import tokens
from app.services.routing.decide import Installation, RoutingDecision, RoutingRequest, decide
from app.services.routing.installation import Router
from app.services.routing.policy import Standing, standing_of
from app.services.task import prompt
from app.services.task.draft import TYPE_PATTERN, TaskDraft, check
from app.services.template.schema_check import check_input
from app.services.worker.limits import WorkerLimits

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


Version: TypeAlias = Mapping[str, Any]
Worker: TypeAlias = Mapping[str, Any]
_TERMS = "SELECT * FROM task_terms($1)"


@dataclass(frozen=True, slots=True)
class Asked:
    """What a workspace's drafts name: `versions` by template or by type, and workers, each once."""

    versions: Sequence[tuple[UUID | None, str]]
    workers: Sequence[UUID]

    @classmethod
    def by(cls, drafts: Iterable[TaskDraft]) -> Self:
        # What is no type is refused by `plan`; some of it could not even be asked for.
        drafts = [draft for draft in drafts if TYPE_PATTERN.fullmatch(draft.type)]
        workers = {draft.worker_id: None for draft in drafts if draft.worker_id is not None}
        return cls(list({_key(draft): None for draft in drafts}), list(workers))

    def as_json(self, workspace_id: UUID) -> dict[str, Any]:
        """As task_terms takes it."""
        return {
            "workspace": workspace_id,
            "templates": [template_id for template_id, _ in self.versions],
            "types": [name for _, name in self.versions],
            "workers": self.workers,
        }


@dataclass(frozen=True, slots=True)
class Planner:
    """For tasks that are made together: they are decided by the same state of the world, which is read once."""

    now: datetime
    max_input_bytes: int
    here: Installation
    standing: Standing
    budgeted: bool
    versions: Mapping[tuple[UUID | None, str], Version]
    workers: Mapping[UUID, Worker]

    @classmethod
    async def begin(
        cls, hot: Hot, terms: Terms, drafts: Mapping[UUID, Sequence[TaskDraft]], now: datetime
    ) -> dict[UUID, "Planner"]:
        """By workspace, for its drafts: what these name is read as far as it is there for the workspace."""
        asked = {workspace_id: Asked.by(each) for workspace_id, each in drafts.items()}
        rows = await hot.call(_TERMS, [each.as_json(workspace_id) for workspace_id, each in asked.items()])
        return {row["workspace"]: cls._of(row, asked[row["workspace"]], terms, now) for row in rows}

    @classmethod
    def _of(cls, row: Row, asked: Asked, terms: Terms, now: datetime) -> "Planner":
        mine = standing_of(row)
        return cls(
            now,
            terms.max_input_bytes,
            terms.here.seen_with(mine.own),
            mine,
            row["budgeted"],
            {asked.versions[found["asked"] - 1]: found for found in row["versions"] or ()},
            {UUID(found["id"]): found for found in row["workers"] or ()},
        )

    def plan(self, draft: TaskDraft, api_key_id: UUID | None) -> Plan:
        """For a caller with this key, if any. Raises InvalidInput, LimitExceeded, NotFound or NoProvider, with the
        field's name."""
        check(draft, now=self.now, max_input_bytes=self.max_input_bytes)
        version = self._version(draft)
        if version is not None and version["input_schema"] is not None:
            check_input(version["input_schema"], draft.input)
        worker = self._worker(draft)
        if worker is not None and not worker["enabled"]:
            raise InvalidInput("This worker is disabled.", ("workerId",))
        template_id = UUID(version["template_id"]) if version is not None else None
        version_id = UUID(version["id"]) if version is not None else None
        if worker is not None and worker["kind"] != WorkerKind.AI:
            return Plan(draft, version_id, template_id, None)
        request = self._request(draft, version, template_id, worker, api_key_id)
        try:
            return Plan(draft, version_id, template_id, decide(request, self.here))
        except InvalidInput as error:
            if error.path == ("maxCost",) and request.most_micros == WorkerLimits.of(worker).max_cost_micros:
                raise InvalidInput(f"{error.message} That is the limit of the worker.", ("workerId",)) from None
            raise

    def _version(self, draft: TaskDraft) -> Version | None:
        version = self.versions.get(_key(draft))
        if version is None and draft.template_id is not None:
            raise NotFound("Template", ids.encode(ids.TEMPLATE, draft.template_id), ("templateId",))
        return version

    def _worker(self, draft: TaskDraft) -> Worker | None:
        if draft.worker_id is None:
            return None
        worker = self.workers.get(draft.worker_id)
        if worker is None:
            raise NotFound("Worker", ids.encode(ids.WORKER, draft.worker_id), ("workerId",))
        return worker

    def _request(
        self,
        draft: TaskDraft,
        version: Version | None,
        template_id: UUID | None,
        worker: Worker | None,
        api_key_id: UUID | None,
    ) -> RoutingRequest:
        asked = prompt.build({"type": draft.type, "input": draft.input}, version, worker)
        schema = orjson.dumps(asked.output_schema).decode() if asked.output_schema is not None else ""
        config: dict[str, Any] = version["config"] if version is not None else {}
        limits = WorkerLimits.of(worker)
        return RoutingRequest(
            complexity=draft.complexity,
            cost_sensitive=draft.cost_sensitive,
            model=draft.model,
            worker_provider=worker["provider"] if worker is not None else None,
            worker_model=worker["model"] if worker is not None else None,
            policy=self.standing.policy,
            model_class=config.get("modelClass"),
            tier=config.get("tier"),
            capabilities=frozenset({"chat", "json_schema"} if schema else {"chat"}),
            input_tokens=tokens.at_most(asked.system, asked.user, schema),
            output_tokens=_least(asked.max_tokens, limits.max_output_tokens),
            most_micros=_least(_most(draft, config), limits.max_cost_micros),
            budget_passed=self.standing.budget_passed(draft.worker_id, template_id, api_key_id),
        )


def _key(draft: TaskDraft) -> tuple[UUID | None, str]:
    """What its version is found by."""
    return draft.template_id, "" if draft.template_id is not None else draft.type


def _least(wanted: int, limit: int | None) -> int:
    return wanted if limit is None else min(wanted, limit)


def _most(draft: TaskDraft, config: dict[str, Any]) -> int:
    if draft.max_cost_micros is not None:
        return draft.max_cost_micros
    price = config.get("priceMicros")
    return DEFAULT_CEILING_MICROS if price is None else min(TEMPLATE_PRICES * price, DEFAULT_CEILING_MICROS)
