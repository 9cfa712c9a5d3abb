"""What a test does with tasks past the API: accept them, look at them, wait for their end."""

import asyncio
import json
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any
from uuid import UUID

from sqlalchemy import RowMapping, text
from sqlalchemy.ext.asyncio import AsyncEngine

from app.db.hot import Hot, Row
from app.errors import AppError
from app.services.billing.price import FREE
from app.services.routing.configured import DEFAULT_MODELS
from app.services.routing.decide import Candidate, RoutingDecision
from app.services.routing.installation import Router
from app.services.task import attempt, claim, schedule
from app.services.task.attempt import Cost
from app.services.task.create import CreateRequest, Outcome, create_tasks
from app.services.task.draft import TaskDraft
from app.services.task.lifecycle import TERMINAL
from app.services.task.plan import Intake
from app.services.task.queries import Columns
from app.unit_of_work import UnitOfWorkFactory
from tests.integration.conftest import Tenant

ROUTING = RoutingDecision([Candidate("openai", "m", "primary", 100, FREE)], [], 0, 0).as_json()
SUMMARY = {"type": "text.summarize", "input": {"text": "Snow delayed the parcel to Oslo by two days."}}


class Desk:
    """Of one tenant. Looks as the owner of the tables, whom row-level security lets see everything."""

    def __init__(
        self, owner: AsyncEngine, engine: AsyncEngine, hot: Hot, factory: UnitOfWorkFactory, tenant: Tenant
    ) -> None:
        self.owner = owner
        self.engine = engine
        self.hot = hot
        self.unit_of_work = factory
        self.tenant = tenant
        self.route_to("openai")

    def route_to(self, *providers: str) -> None:
        """From now on. With one, what fails there is tried there again."""
        models = {provider: DEFAULT_MODELS[provider] for provider in providers}
        self.intake = Intake(Router(self.engine, models, frozenset(models)), 100_000)

    async def accept(self, count: int = 1, **draft: Any) -> list[UUID]:
        """That many tasks, in this order."""
        request = CreateRequest(self.tenant.principal, [TaskDraft(**(SUMMARY | draft))] * count)
        accepted = await create_tasks(self.hot, self.tenant.account.workspace_id, [request], await self.intake.terms())
        await self.unit_of_work.announce(accepted.queued, {self.tenant.account.workspace_id})
        (outcome,) = accepted.outcomes
        assert isinstance(outcome, Outcome), outcome
        return [_accepted(result)["id"] for result in outcome.results]

    async def accept_one(self, **draft: Any) -> UUID:
        return (await self.accept(**draft))[0]

    async def rows(self, sql: str, **values: Any) -> Sequence[RowMapping]:
        async with self.owner.begin() as connection:
            return (await connection.execute(text(sql), values)).mappings().all()

    async def change(self, sql: str, **values: Any) -> None:
        async with self.owner.begin() as connection:
            await connection.execute(text(sql), values)

    async def neighbours(self, count: int, *, weight: int = 1, concurrency: int | None = None) -> list[UUID]:
        """So many more workspaces of the same owner, in the order of the ring."""
        rows = await self.rows(
            """INSERT INTO workspaces (id, name, slug, owner_id, plan, weight, concurrency)
            SELECT uuidv7(), 'Neighbour', uuidv7()::text, :owner, 'free', :weight, cast(:concurrency AS integer)
            FROM generate_series(1, :count) RETURNING id""",
            owner=self.tenant.account.user_id,
            weight=weight,
            concurrency=concurrency,
            count=count,
        )
        return sorted(row["id"] for row in rows)

    async def pile(self, count: int, *workspaces: UUID, **columns: str) -> None:
        """So many tasks in each workspace (else in the tenant's), past the API. The columns are SQL expressions."""
        plain = {
            "type": "'text.summarize'",
            "status": "'QUEUED'",
            "input": "'{}'",
            "complexity": "'NORMAL'",
            "routing": f"'{json.dumps(ROUTING)}'",
        }
        values = plain | columns
        await self.change(
            f"""INSERT INTO tasks (id, workspace_id, {", ".join(values)})
            SELECT uuidv7(), w, {", ".join(values.values())}
            FROM unnest(cast(:workspaces AS uuid[])) w, generate_series(1, :count)""",
            workspaces=list(workspaces) or [self.tenant.account.workspace_id],
            count=count,
        )
        await self.change("ANALYZE tasks")

    async def clear(self, *workspaces: UUID) -> None:
        """Take a pile away again: other tests are not to wade through it."""
        for table in ("task_events", "task_attempts", "tasks"):
            await self.change(
                f"DELETE FROM {table} WHERE workspace_id = ANY (:workspaces)",
                workspaces=list(workspaces) or [self.tenant.account.workspace_id],
            )

    async def task(self, task_id: UUID) -> RowMapping:
        return (await self.rows("SELECT * FROM tasks WHERE id = :id", id=task_id))[0]

    async def held(self, task_id: UUID, number: int) -> dict[str, Any]:
        """The task as the worker has it that holds, or once held, this attempt."""
        return {**await self.task(task_id), "attempt": number}

    async def attempts(self, task_id: UUID) -> Sequence[RowMapping]:
        return await self.rows("SELECT * FROM task_attempts WHERE task_id = :id ORDER BY number", id=task_id)

    async def events(self, task_id: UUID) -> Sequence[RowMapping]:
        return await self.rows("SELECT * FROM task_events WHERE task_id = :id ORDER BY seq", id=task_id)

    async def kinds(self, task_id: UUID) -> list[str]:
        """What happened, the seq being 1, 2, 3 … without a gap."""
        events = await self.events(task_id)
        assert [event["seq"] for event in events] == list(range(1, len(events) + 1))
        return [event["kind"] for event in events]

    async def ledger(self, task_id: UUID) -> list[tuple[str, int]]:
        """Kind and micro-credits of the task's entries, in order."""
        rows = await self.rows(
            "SELECT kind, amount_micros FROM ledger_entries WHERE task_id = :id ORDER BY seq", id=task_id
        )
        return [(row["kind"], row["amount_micros"]) for row in rows]

    async def purse(self) -> tuple[int, int]:
        """What the workspace has, and what is held for its tasks, in micro-credits."""
        (row,) = await self.rows(
            "SELECT credits_micros, reserved_micros FROM workspaces WHERE id = :id", id=self.tenant.account.workspace_id
        )
        return row["credits_micros"], row["reserved_micros"]

    async def succeed(self, task: Columns, *, output: Any = None, text: str = "", cost: Cost) -> bool:
        """As the worker that holds it."""
        return await attempt.succeed(self.hot, task, output=output or {}, text=text, cost=cost)

    async def claim(
        self,
        most: int = 100,
        *,
        per_workspace: int = 100,
        lease: float = 30,
        claimant: str = "test",
        turn: claim.Turn = claim.FIRST_TURN,
    ) -> Sequence[Row]:
        return await claim.claim_tasks(
            self.hot,
            claimant=claimant,
            most=most,
            per_workspace=per_workspace,
            lease=timedelta(seconds=lease),
            turn=turn,
        )

    async def settle(self) -> int:
        """What the scheduler does in a second; how many tasks it found."""
        due = await schedule.queue_due(self.engine, self.unit_of_work)
        return due + await schedule.settle_overdue(self.engine, self.unit_of_work)

    async def until(self, task_id: UUID, holds: Callable[[RowMapping], bool], seconds: float = 20) -> RowMapping:
        """The task when the condition holds; the test fails when it does not within so many seconds."""
        async with asyncio.timeout(seconds):
            while not holds(task := await self.task(task_id)):  # noqa: ASYNC110 any column may be waited for
                await asyncio.sleep(0.02)
        return task

    async def ended(self, task_id: UUID, seconds: float = 20) -> RowMapping:
        return await self.until(task_id, lambda task: task["status"] in TERMINAL, seconds)

    async def running(self, task_id: UUID) -> RowMapping:
        return await self.until(task_id, lambda task: task["status"] == "RUNNING")


def _accepted(result: Row | AppError) -> Row:
    assert not isinstance(result, AppError), result
    return result
