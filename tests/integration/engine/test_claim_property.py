"""Claims against a model: two workers, leases that run out, stale writes, in random order."""

import random
from dataclasses import dataclass, field
from datetime import timedelta
from itertools import cycle
from typing import Any
from uuid import UUID

import pytest

from app.principal import Principal
from app.services.task import attempt, claim
from app.services.task.attempt import Cost, Failure
from app.services.task.claim import FIRST_TURN, Held, Turn
from tests.integration.engine.desk import Desk

ACTIONS = 60
LEASE = timedelta(seconds=30)
FREE = Cost(0, 0, 0, 0, estimated=False)
ENDS = {"SUCCEEDED", "FAILED", "CANCELED"}


@dataclass
class Modelled:
    """A task as the rules say it must be."""

    id: UUID
    workspace: UUID
    priority: int
    max_attempts: int
    status: str = "QUEUED"
    attempt: int = 0

    def tried(self, *, again: bool) -> None:
        """An attempt has failed."""
        self.status = "QUEUED" if again and self.attempt < self.max_attempts else "FAILED"


@dataclass
class Model:
    """Workspaces with (weight, limit), and all tasks."""

    shares: dict[UUID, tuple[int, int]]
    tasks: dict[UUID, Modelled] = field(default_factory=dict)

    def running(self) -> list[Modelled]:
        return [task for task in self.tasks.values() if task.status == "RUNNING"]

    def served(self, turn: Turn, most: int) -> list[UUID]:
        """Whose turn it is, one task at a time, as one would do it by hand."""
        queues = {each: self._queue(each) for each in self.shares}
        room = {
            each: limit - sum(t.workspace == each for t in self.running()) for each, (_, limit) in self.shares.items()
        }
        ring = sorted(self.shares, key=lambda each: (each <= turn.workspace_id, each))
        left = dict.fromkeys(self.shares, 0)
        if turn.workspace_id in self.shares and turn.taken < self.shares[turn.workspace_id][0]:
            ring = [turn.workspace_id, *[each for each in ring if each != turn.workspace_id]]
            left[turn.workspace_id] = turn.taken
        order: list[UUID] = []
        for each in cycle(ring):
            if len(order) == most or not any(queues[other] and room[other] > 0 for other in ring):
                return order
            while left[each] < self.shares[each][0] and queues[each] and room[each] > 0 and len(order) < most:
                order.append(queues[each].pop(0))
                room[each] -= 1
                left[each] += 1
            left[each] = 0
        raise AssertionError("a ring has no end")

    def _queue(self, workspace: UUID) -> list[UUID]:
        waiting = [t for t in self.tasks.values() if t.workspace == workspace and t.status == "QUEUED"]
        return [t.id for t in sorted(waiting, key=lambda t: (t.priority, t.id))]


class Play:
    """One run: what is done to the database is done to the model, and both are compared after each step."""

    def __init__(self, desk: Desk, model: Model, chance: random.Random) -> None:
        self.desk = desk
        self.model = model
        self.chance = chance
        self.turns: dict[str, Turn] = {"a": FIRST_TURN, "b": FIRST_TURN}
        # Every attempt that was ever held, also by who has lost it since.
        self.held: list[Held] = []

    async def step(self) -> None:
        actions = [self.create, self.claim, self.claim, self.end, self.end, self.lose, self.renew]
        await self.chance.choice(actions)()
        await self.compare()

    async def create(self) -> None:
        workspace = self.chance.choice(list(self.model.shares))
        columns = {"priority": str(self.chance.randint(1, 3)), "max_attempts": str(self.chance.randint(1, 3))}
        before = set(self.model.tasks)
        await self.desk.pile(self.chance.randint(1, 4), workspace, **columns)
        for row in await self._rows():
            if row["id"] not in before:
                self.model.tasks[row["id"]] = Modelled(row["id"], workspace, row["priority"], row["max_attempts"])

    async def claim(self) -> None:
        worker, most = self.chance.choice("ab"), self.chance.randint(1, 7)
        expected = self.model.served(self.turns[worker], most)

        rows = await self.desk.claim(most, claimant=worker, turn=self.turns[worker])

        assert [row["id"] for row in rows] == expected
        self.turns[worker] = self.turns[worker].after(rows)
        for row in rows:
            task = self.model.tasks[row["id"]]
            task.status, task.attempt = "RUNNING", task.attempt + 1
            assert Held(row["id"], row["attempt"]) == Held(task.id, task.attempt) not in self.held
            self.held.append(Held(task.id, task.attempt))

    async def end(self) -> None:
        """By whoever holds or once held an attempt: only the present one's holder changes anything."""
        if not self.held:
            return
        held = self.chance.choice(self.held)
        task = self.model.tasks[held.task_id]
        how = self.chance.choice(["succeed", "retry", "fail", "cancel"])
        present = task.status == "RUNNING" and task.attempt == held.attempt

        assert await self._end(task, held, how) == present
        if present and how == "succeed":
            task.status = "SUCCEEDED"
        elif present and how == "cancel":
            task.status = "CANCELED"
        elif present:
            task.tried(again=how == "retry")
        await self._let_time_pass()

    async def lose(self) -> None:
        """The leases of some running tasks run out."""
        running = self.model.running()
        lost = self.chance.sample(running, self.chance.randint(0, len(running)))
        await self.desk.change(
            "UPDATE tasks SET lease_until = now() - interval '1 second' WHERE id = ANY (:ids)", ids=[t.id for t in lost]
        )
        await self.desk.settle()
        for task in lost:
            task.tried(again=True)
        await self._let_time_pass()

    async def renew(self) -> None:
        if self.held:
            kept = await claim.renew_leases(self.desk.hot, self.held, lease=LEASE)
            assert kept == {Held(task.id, task.attempt) for task in self.model.running()}

    async def compare(self) -> None:
        real = {row["id"]: (row["status"], row["attempt"]) for row in await self._rows()}
        assert real == {task.id: (task.status, task.attempt) for task in self.model.tasks.values()}
        for workspace, (_, limit) in self.model.shares.items():
            assert sum(task.workspace == workspace for task in self.model.running()) <= limit

    async def _end(self, task: Modelled, held: Held, how: str) -> bool:
        mine = await self.desk.held(held.task_id, held.attempt)
        if how == "succeed":
            return await self.desk.succeed(mine, cost=FREE)
        async with self.desk.unit_of_work(Principal.system(task.workspace)) as uow:
            match how:
                case "cancel":
                    return await attempt.cancel(uow, held.task_id, held.attempt, cost=FREE)
            failure = Failure("overloaded", "Later.", retryable=how == "retry")
            return await attempt.fail(uow, held.task_id, held.attempt, failure)

    async def _let_time_pass(self) -> None:
        """Until every retry is due."""
        await self.desk.change(
            "UPDATE tasks SET run_at = now() WHERE run_at IS NOT NULL AND workspace_id = ANY (:ids)",
            ids=list(self.model.shares),
        )
        await self.desk.settle()

    async def _rows(self) -> Any:
        return await self.desk.rows(
            "SELECT id, status, attempt, priority, max_attempts FROM tasks WHERE workspace_id = ANY (:ids)",
            ids=list(self.model.shares),
        )


@pytest.mark.parametrize("seed", range(12))
async def test_every_interleaving_goes_as_the_rules_say(desk: Desk, seed: int) -> None:
    chance = random.Random(seed)
    shares = {}
    for _ in range(3):
        weight, limit = chance.randint(1, 3), chance.randint(2, 6)
        (workspace,) = await desk.neighbours(1, weight=weight, concurrency=limit)
        shares[workspace] = (weight, limit)
    play = Play(desk, Model(shares), chance)

    for _ in range(ACTIONS):
        await play.step()

    ended = [task for task in play.model.tasks.values() if task.status in ENDS]
    assert ended
    lost = await desk.rows(
        "SELECT id, attempt, error FROM tasks WHERE workspace_id = ANY (:ids) AND error ->> 'code' = 'worker_lost' "
        "AND status = 'FAILED'",
        ids=list(shares),
    )
    assert all(row["attempt"] == play.model.tasks[row["id"]].max_attempts for row in lost)
