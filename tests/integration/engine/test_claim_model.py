"""Everything that can happen to a task, in any order, against a model of what may come of it.

The order of turns has its own model beside this one; here are cancels, schedules, expiries, workers that shut down or
come too late, and claims at the same moment.
"""

import asyncio
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import timedelta
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import RowMapping

from app.principal import Principal
from app.services.task import attempt, claim
from app.services.task.attempt import Cost, Failure
from app.services.task.cancel import cancel_task
from app.services.task.claim import FIRST_TURN, Held, Turn
from tests.integration.engine.desk import Desk

SHARES = ((1, 2), (3, 3), (2, 5))  # weight and limit of running tasks of each workspace
LEASE = timedelta(seconds=30)
FREE = Cost(0, 0, 0, 0, estimated=False)
ENDED = {"SUCCEEDED", "FAILED", "CANCELED", "EXPIRED"}
MINE = "workspace_id = ANY (:mine)"
PAST = "now() - interval '1 second'"
ANY_ORDER = settings(
    derandomize=True,
    database=None,
    deadline=None,
    max_examples=30,
    suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow],
)

SOMEONE = st.sampled_from("AB")
WHICH = st.integers(0, 50)
CREATE = st.tuples(
    st.just("create"),
    st.integers(0, 2),
    st.integers(1, 3),
    st.integers(1, 3),
    st.sampled_from(["now", "later"]),
    st.integers(1, 3),
)
ACTIONS = st.lists(
    CREATE
    | st.tuples(st.just("claim"), SOMEONE, st.integers(1, 6))
    | st.tuples(st.just("claim_both"), st.integers(1, 4))
    | st.tuples(st.just("beat"), SOMEONE)
    | st.tuples(st.just("end"), SOMEONE, WHICH, st.sampled_from(["succeed", "retry", "fail", "hand_back", "obey"]))
    | st.tuples(st.sampled_from(["lease_over", "ask_to_cancel", "expire"]), WHICH)
    | st.tuples(st.sampled_from(["time_passes", "settle"])),
    min_size=15,
    max_size=40,
)


@dataclass
class Piece:
    """A task as the rules have it. `not_before`: None, or whether that time has come."""

    id: UUID
    workspace: UUID
    priority: int
    tries_left: int
    status: str
    due: bool | None
    attempt: int = 0
    error: str | None = None
    lease_over: bool = False
    unwanted: bool = False
    expired: bool = False

    @property
    def claimable(self) -> bool:
        return self.status == "QUEUED" and self.due is None and not self.runs_out

    @property
    def runs_out(self) -> bool:
        return self.expired and self.attempt == 0 and self.status in {"QUEUED", "SCHEDULED"}

    def failed(self, code: str, *, retryable: bool) -> None:
        if self.unwanted:
            self.status = "CANCELED"
        elif retryable and self.tries_left:
            self.status, self.due, self.error = "QUEUED", False, code
        else:
            self.status, self.error = "FAILED", code


@dataclass
class World:
    """The model, the database, and what each worker believes that it holds, rightly or not."""

    desk: Desk
    ring: list[UUID]
    pieces: dict[UUID, Piece] = field(default_factory=dict)
    holds: dict[str, list[Held]] = field(default_factory=lambda: {"A": [], "B": []})
    turns: dict[str, Turn] = field(default_factory=lambda: {"A": FIRST_TURN, "B": FIRST_TURN})
    claimed: Counter[Held] = field(default_factory=Counter)
    ends: dict[UUID, dict[str, Any]] = field(default_factory=dict)

    async def create(self, nth: int, priority: int, max_attempts: int, when: str, count: int) -> None:
        later = {"status": "'SCHEDULED'", "run_at": "now() + interval '1 hour'"} if when == "later" else {}
        columns = {"priority": str(priority), "max_attempts": str(max_attempts)} | later
        await self.desk.pile(count, self.ring[nth], **columns)
        for row in await self.rows():
            if row["id"] not in self.pieces:
                due = False if later else None
                new = Piece(row["id"], self.ring[nth], priority, max_attempts, row["status"], due)
                self.pieces[new.id] = new

    async def claim(self, who: str, most: int) -> None:
        self.take(who, await self.desk.claim(most, claimant=who, turn=self.turns[who]), most)

    async def claim_both(self, most: int) -> None:
        """At the same moment: they take turns, and who was first shows in the leases."""
        both = [self.desk.claim(most, claimant=who, turn=self.turns[who]) for who in "AB"]
        batches = list(zip("AB", await asyncio.gather(*both), strict=True))
        batches.sort(key=lambda item: (not item[1], item[1][0]["lease_until"] if item[1] else 0))
        for who, batch in batches:
            self.take(who, batch, most)

    def take(self, who: str, batch: Sequence[RowMapping], most: int) -> None:
        for workspace, (_, limit) in zip(self.ring, SHARES, strict=True):
            mine = [self.pieces[row["id"]] for row in batch if row["workspace_id"] == workspace]
            ready = sorted(
                (piece for piece in self.pieces.values() if piece.workspace == workspace and piece.claimable),
                key=lambda piece: (piece.priority, piece.id),
            )
            assert mine == ready[: len(mine)]
            room = limit - self.running(workspace)
            assert len(mine) <= room
            # Nobody is passed over while there is room for more in the batch.
            assert len(batch) == most or len(mine) == min(room, len(ready))
        for row in batch:
            piece = self.pieces[row["id"]]
            assert piece.claimable
            piece.status, piece.attempt, piece.lease_over = "RUNNING", piece.attempt + 1, False
            piece.tries_left -= 1
            assert (row["attempt"], row["leased_by"], row["status"]) == (piece.attempt, who, "RUNNING")
            self.holds[who].append(Held(piece.id, piece.attempt))
            self.claimed[Held(piece.id, piece.attempt)] += 1
        self.turns[who] = self.turns[who].after(batch)

    async def beat(self, who: str) -> None:
        kept = await claim.renew_leases(self.desk.hot, self.holds[who], lease=LEASE)
        assert kept == {held for held in self.holds[who] if self.is_present(held)}
        for held in kept:
            self.pieces[held.task_id].lease_over = False

    async def end(self, who: str, which: int, how: str) -> None:
        if not self.holds[who]:
            return
        held = self.holds[who][which % len(self.holds[who])]
        piece, present = self.pieces[held.task_id], self.is_present(held)

        assert await self._tell(piece.workspace, held, how) is present
        if present:
            self._ended(piece, how)

    def _ended(self, piece: Piece, how: str) -> None:
        match how:
            case "succeed":
                piece.status, piece.error = "SUCCEEDED", None
            case "retry" | "fail":
                piece.failed("overloaded", retryable=how == "retry")
            case "obey":
                piece.status = "CANCELED"
            case "hand_back":
                piece.status = "CANCELED" if piece.unwanted else "QUEUED"
                piece.tries_left += not piece.unwanted

    async def _tell(self, workspace: UUID, held: Held, how: str) -> bool:
        mine = await self.desk.held(held.task_id, held.attempt)
        if how == "succeed":
            return await self.desk.succeed(mine, text="all", cost=FREE)
        async with self.desk.unit_of_work(Principal.system(workspace)) as uow:
            match how:
                case "hand_back":
                    return await attempt.hand_back(uow, held.task_id, held.attempt, text="half", cost=FREE)
                case "obey":
                    return await attempt.cancel(uow, held.task_id, held.attempt, cost=FREE)
            failure = Failure("overloaded", "Later.", retryable=how == "retry")
            return await attempt.fail(uow, held.task_id, held.attempt, failure)

    async def lease_over(self, which: int) -> None:
        if piece := self.nth(which, {"RUNNING"}):
            await self.desk.change(f"UPDATE tasks SET lease_until = {PAST} WHERE id = :id", id=piece.id)
            piece.lease_over = True

    async def ask_to_cancel(self, which: int) -> None:
        if piece := self.nth(which, {"SCHEDULED", "QUEUED", "RUNNING"}):
            async with self.desk.unit_of_work(Principal.system(piece.workspace)) as uow:
                await cancel_task(uow, piece.id, None)
            if piece.status == "RUNNING":
                piece.unwanted = True
            else:
                piece.status = "CANCELED"

    async def expire(self, which: int) -> None:
        if piece := self.nth(which, {"SCHEDULED", "QUEUED", "RUNNING"}):
            await self.desk.change(f"UPDATE tasks SET expires_at = {PAST} WHERE id = :id", id=piece.id)
            piece.expired = True

    async def time_passes(self) -> None:
        """Every schedule and every pause is over; nobody has noticed yet."""
        change = f"UPDATE tasks SET run_at = {PAST} WHERE {MINE} AND run_at IS NOT NULL AND status <> ALL (:ended)"
        await self.desk.change(change, mine=self.ring, ended=sorted(ENDED))
        for piece in self.pieces.values():
            piece.due = True if piece.due is False else piece.due

    async def settle(self) -> None:
        await self.desk.settle()
        for piece in self.pieces.values():
            if piece.runs_out:
                piece.status = "EXPIRED"
            elif piece.status in {"SCHEDULED", "QUEUED"} and piece.due:
                piece.status, piece.due = "QUEUED", None
            elif piece.status == "RUNNING" and piece.lease_over:
                piece.failed("worker_lost", retryable=True)

    def nth(self, which: int, statuses: set[str]) -> Piece | None:
        fitting = [piece for piece in self.pieces.values() if piece.status in statuses]
        return fitting[which % len(fitting)] if fitting else None

    def is_present(self, held: Held) -> bool:
        piece = self.pieces[held.task_id]
        return piece.status == "RUNNING" and piece.attempt == held.attempt

    def running(self, workspace: UUID) -> int:
        return sum(piece.workspace == workspace and piece.status == "RUNNING" for piece in self.pieces.values())

    async def rows(self) -> Sequence[RowMapping]:
        return await self.desk.rows(f"SELECT * FROM tasks WHERE {MINE} ORDER BY id", mine=self.ring)

    async def agrees(self) -> None:
        for row in await self.rows():
            piece = self.pieces[row["id"]]
            error = row["error"]["code"] if row["error"] else None
            assert (row["status"], row["attempt"], error) == (piece.status, piece.attempt, piece.error)
            if piece.status in ENDED:
                # Whatever is done afterwards, by whomever: an end is an end, to the last column.
                assert self.ends.setdefault(piece.id, dict(row)) == dict(row)
        for workspace, (_, limit) in zip(self.ring, SHARES, strict=True):
            assert self.running(workspace) <= limit

    async def history_agrees(self) -> None:
        """Each claim made one attempt and one event; each attempt but a running one has ended; no seq is missing."""
        assert set(self.claimed.values()) <= {1}
        attempts = await self.desk.rows(f"SELECT * FROM task_attempts WHERE {MINE}", mine=self.ring)
        assert {Held(row["task_id"], row["number"]) for row in attempts} == set(self.claimed)
        open_ones = {Held(row["task_id"], row["number"]) for row in attempts if row["status"] == "RUNNING"}
        assert open_ones == {held for held in self.claimed if self.is_present(held)}
        events = await self.desk.rows(f"SELECT * FROM task_events WHERE {MINE} ORDER BY task_id, seq", mine=self.ring)
        for row in await self.rows():
            own = [event for event in events if event["task_id"] == row["id"]]
            assert [event["seq"] for event in own] == list(range(1, row["event_seq"] + 1))
            assert sum(event["kind"] == "STARTED" for event in own) == row["attempt"]
            assert sum(event["status"] in ENDED for event in own) == (row["status"] in ENDED)


@pytest.fixture
def long_pauses(monkeypatch: pytest.MonkeyPatch) -> None:
    """So that time passes only when an action says so."""
    monkeypatch.setattr("app.services.task.attempt._rng.random", lambda: 1.0)
    monkeypatch.setattr("app.services.task.lifecycle.BACKOFF_BASE_SECONDS", 300.0)
    monkeypatch.setattr("app.services.task.attempt.WORKER_LOST_SPREAD_SECONDS", 300.0)


@ANY_ORDER
@given(ACTIONS)
@pytest.mark.usefixtures("long_pauses")
async def test_whatever_happens_in_whatever_order_is_what_the_rules_say(
    desk: Desk, actions: list[tuple[Any, ...]]
) -> None:
    ring = [(await desk.neighbours(1, weight=weight, concurrency=limit))[0] for weight, limit in SHARES]
    world = World(desk, ring)
    try:
        for name, *arguments in actions:
            await getattr(world, name)(*arguments)
            await world.agrees()
        await world.history_agrees()
    finally:
        await desk.clear(*ring)
