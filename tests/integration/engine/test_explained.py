"""What is explained and quoted is what is stored, held, asked and recorded, over a thousand random requests."""

import random
from collections import Counter
from collections.abc import Sequence
from typing import Any
from uuid import UUID

from app.errors import AppError
from app.models import TaskComplexity, WorkerKind
from app.services.routing.catalogue import CELLS, TIERS
from app.services.routing.configured import DEFAULT_MODELS
from app.services.routing.decide import Installation, RoutingDecision
from app.services.routing.set_policy import Cell, PolicyDraft, set_policy
from app.services.task.create import CreateRequest, Outcome, create_tasks
from app.services.task.draft import TaskDraft
from app.services.task.quote import quote_task
from app.services.template.create import TemplateDraft, create_template
from app.services.worker.create import WorkerDraft, create_worker
from app.services.worker.limits import WorkerLimits
from app.settings import PROVIDERS
from tests.integration.conftest import PLENTY
from tests.integration.engine.conftest import MakeDesk, WorkingWith
from tests.integration.engine.desk import Desk
from tests.integration.engine.scripted import Scripted

SEED = 20261123
DESKS, REQUESTS_OF_ONE = 10, 100
MODELS = (
    "gpt-4",
    "claude-3-opus",
    "openai/gpt-6-luna",
    "anthropic/claude-sonnet-5-5",
    "local/any",
    "huggingface/other",
)


class World:
    """A workspace of its own kind: workers, templates, perhaps a policy and a soft budget that is used up."""

    def __init__(self, desk: Desk, draw: random.Random) -> None:
        self._desk = desk
        self._draw = draw
        self._workers: Sequence[UUID] = ()
        self._types: list[str] = ["demo.plain"]

    async def furnish(self) -> None:
        draw, desk = self._draw, self._desk
        desk.route_to(*draw.sample(PROVIDERS, draw.randint(1, len(PROVIDERS))))
        here = await desk.intake.router.installation()
        async with desk.unit_of_work(desk.tenant.principal) as uow:
            self._workers = [(await create_worker(uow, self._worker(name)))["id"] for name in PROVIDERS]
            for number in range(3):
                template = TemplateDraft(f"own.t{number}", "T", "demo", "", "Say {text}.", config=self._config())
                self._types.append((await create_template(uow, template))["slug"])
            if draw.random() < 0.5:
                cell = Cell("simple_tasks", "primary", _default(draw, here))
                await set_policy(uow, PolicyDraft(models=[_default(draw, here)], cells=[cell]), here)
        if draw.random() < 0.5:
            await desk.change(
                """INSERT INTO budgets (id, workspace_id, scope, period, soft_micros)
                VALUES (uuidv7(), :mine, 'WORKSPACE', 'DAY', 0)""",
                mine=desk.tenant.account.workspace_id,
            )

    def draft(self) -> TaskDraft:
        draw = self._draw
        return TaskDraft(
            type=draw.choice(self._types),
            input={"text": "word " * draw.choice((1, 20, 400))},
            worker_id=draw.choice(self._workers) if draw.random() < 0.2 else None,
            complexity=draw.choice(list(TaskComplexity)),
            cost_sensitive=draw.random() < 0.3,
            max_cost_micros=draw.choice((None, None, 0, 50, 5_000, 500_000)),
            model=draw.choice(MODELS) if draw.random() < 0.2 else None,
        )

    def _worker(self, provider: str) -> WorkerDraft:
        limits = WorkerLimits(*self._draw.choice(((None, None), (1_000, None), (None, 100))))
        return WorkerDraft(provider, WorkerKind.AI, provider=provider, limits=limits)

    def _config(self) -> dict[str, Any]:
        draw = self._draw
        named = {"modelClass": draw.choice(list(CELLS)), "tier": draw.choice(TIERS)} if draw.random() < 0.7 else {}
        return named | {"maxOutputTokens": draw.choice((20, 2_000)), "priceMicros": draw.choice((100, 50_000))}


def _default(draw: random.Random, here: Installation) -> str:
    provider = draw.choice(list(here.models))
    return f"{provider}/{DEFAULT_MODELS[provider]}"


async def quotes(desk: Desk, drafts: Sequence[TaskDraft]) -> list[RoutingDecision | AppError]:
    """What quoteTask and explainRouting answer."""
    terms = await desk.intake.terms()
    answers = list[RoutingDecision | AppError]()
    async with desk.unit_of_work(desk.tenant.principal) as uow:
        for draft in drafts:
            try:
                decision = (await quote_task(uow, desk.hot, draft, terms)).plan.decision
                assert decision is not None
                answers.append(decision)
            except AppError as error:
                answers.append(error)
    return answers


async def check_accepted(desk: Desk, drafts: Sequence[TaskDraft]) -> list[UUID]:
    """The tasks of those that were accepted: each as it was quoted, the others refused as quoteTask refuses."""
    quoted, terms = await quotes(desk, drafts), await desk.intake.terms()
    requests = [CreateRequest(desk.tenant.principal, drafts)]
    (outcome,) = (await create_tasks(desk.hot, desk.tenant.account.workspace_id, requests, terms)).outcomes
    assert isinstance(outcome, Outcome)
    tasks = list[UUID]()
    for answer, result in zip(quoted, outcome.results, strict=True):
        if isinstance(answer, AppError):
            assert isinstance(result, AppError)
            assert (result.code, result.message, result.path) == (answer.code, answer.message, answer.path)
        else:
            assert not isinstance(result, AppError), result
            assert result["routing"] == answer.as_json()
            assert result["reserved_micros"] == answer.ceiling_micros
            tasks.append(result["id"])
    return tasks


async def test_a_thousand_random_requests_run_as_they_are_explained(
    make_desk: MakeDesk, working_with: WorkingWith
) -> None:
    draw, desks, accepted = random.Random(SEED), list[Desk](), dict[UUID, Desk]()
    for _ in range(DESKS):
        desk = await make_desk()
        world = World(desk, draw)
        await world.furnish()
        desks.append(desk)
        accepted |= dict.fromkeys(await check_accepted(desk, [world.draft() for _ in range(REQUESTS_OF_ONE)]), desk)
    provider = Scripted("Done.")
    async with working_with(provider):
        tasks = [await desk.ended(task_id, 60) for task_id, desk in accepted.items()]

    explained = Counter(task["routing"]["model"] for task in tasks)
    assert [task["status"] for task in tasks] == ["SUCCEEDED"] * len(tasks)
    assert Counter(request.model for request in provider.requests) == explained
    assert sum(explained.values()) > DESKS * REQUESTS_OF_ONE / 2, "most requests are refused, so little is proved"
    assert len(explained) >= len(PROVIDERS)
    for task in tasks:
        (attempt,) = await desks[0].attempts(task["id"])
        assert (attempt["provider"], attempt["model"]) == (task["routing"]["provider"], task["routing"]["model"])
        assert task["cost_micros"] <= task["routing"]["ceilingMicros"]
    for desk in desks:
        available, held = await desk.purse()
        assert (available, held) == (PLENTY - sum(t["cost_micros"] for t in tasks if accepted[t["id"]] is desk), 0)
