"""Requests to create tasks, gathered: those that come while others are being written are written together.

A transaction costs about the same for one task as for ten, a workspace's balance is one row, and whoever holds credits
has it until the commit. Nobody waits for company: a request that is alone goes at once. And no workspace waits for
another: those that cannot be served at once, or are not plain, are left to a transaction of their workspace's own.
"""

import asyncio
from collections import defaultdict
from collections.abc import Coroutine, Sequence
from contextvars import Context
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.db.availability import is_unavailable
from app.db.hot import Hot
from app.principal import Permission
from app.services.task.create import Accepted, CreateRequest, Outcome, create_plain_tasks, create_tasks
from app.services.task.plan import Intake
from app.unit_of_work import UnitOfWorkFactory

# Of one workspace in a transaction. A request that brings more has one of its workspace's own.
MAX_DRAFTS = 100
# Of one transaction: no workspace's turn begins after so many.
FULL = 400
# While PostgreSQL writes for one, the next is decided.
LANES = 2


@dataclass(frozen=True, slots=True)
class _Waiting:
    request: CreateRequest
    done: "asyncio.Future[Outcome]"

    @property
    def workspace_id(self) -> UUID:
        return self.request.principal.workspace_id

    def settle(self, outcome: Outcome | Exception) -> None:
        # Whoever asked may have gone.
        if self.done.done():
            return
        if isinstance(outcome, Exception):
            self.done.set_exception(outcome)
        else:
            self.done.set_result(outcome)


class TaskCreation:
    """One a process."""

    def __init__(self, hot: Hot, unit_of_work: UnitOfWorkFactory, intake: Intake) -> None:
        self._hot = hot
        self._unit_of_work = unit_of_work
        self._intake = intake
        # By workspace, in the order of their turns.
        self._waiting: dict[UUID, list[_Waiting]] = {}
        # Whose requests are being written: the next of theirs wait, however many lanes are free.
        self._busy: set[UUID] = set()
        self._lanes = 0
        self._opening = False
        self._under_way: set[asyncio.Task[None]] = set()

    async def create(self, request: CreateRequest) -> Outcome:
        """When it is committed. Raises what concerns the whole request: Forbidden, or what is wrong with its key."""
        request.principal.require(Permission.TASK_CREATE)
        waiting = _Waiting(request, asyncio.get_running_loop().create_future())
        self._waiting.setdefault(waiting.workspace_id, []).append(waiting)
        self._open_lane()
        return await waiting.done

    def _open_lane(self) -> None:
        if self._lanes < LANES and not self._opening and self._waiting.keys() - self._busy:
            self._lanes += 1
            self._opening = True
            self._begin(self._work())

    def _begin(self, work: Coroutine[Any, Any, None]) -> None:
        # In nobody's name: its log lines are not of the request that began it.
        task = asyncio.get_running_loop().create_task(work, context=Context())
        self._under_way.add(task)
        task.add_done_callback(self._under_way.discard)

    async def _work(self) -> None:
        self._opening = False
        while batch := self._next():
            # Whoever is left is not to wait for these.
            self._open_lane()
            await self._create(batch)
        self._lanes -= 1

    def _next(self) -> list[_Waiting]:
        """Of each workspace that is not busy as many as fit; those that have had their turn go to the end."""
        batch, drafts = list[_Waiting](), 0
        for workspace_id in [each for each in self._waiting if each not in self._busy]:
            if drafts >= FULL:
                break
            taken, rest = _first_of(self._waiting.pop(workspace_id))
            if rest:
                self._waiting[workspace_id] = rest
            if not taken:
                continue
            self._busy.add(workspace_id)
            wanted = sum(len(waiting.request.drafts) for waiting in taken)
            if wanted > MAX_DRAFTS:
                self._begin(self._create_apart(workspace_id, taken))
            else:
                batch += taken
                drafts += wanted
        return batch

    async def _create(self, batch: list[_Waiting]) -> None:
        """Every one of them is settled after it, or about to be in a transaction of its workspace's own."""
        try:
            terms = await self._intake.terms()
            accepted = await create_plain_tasks(self._hot, [waiting.request for waiting in batch], terms)
        except Exception as error:
            # One that spoils the transaction is not to spoil its neighbours'.
            left = batch if not is_unavailable(error) else _refused(batch, error)
        else:
            left = self._settle(batch, accepted)
        apart = defaultdict[UUID, list[_Waiting]](list)
        for waiting in left:
            apart[waiting.workspace_id].append(waiting)
        self._busy -= {waiting.workspace_id for waiting in batch} - apart.keys()
        for workspace_id, waiting_here in apart.items():
            self._begin(self._create_apart(workspace_id, waiting_here))

    async def _create_apart(self, workspace_id: UUID, batch: list[_Waiting]) -> None:
        await self._create_in_one(workspace_id, batch)
        self._busy.discard(workspace_id)
        self._open_lane()

    async def _create_in_one(self, workspace_id: UUID, batch: list[_Waiting]) -> None:
        """Every one of them is settled after it."""
        try:
            terms = await self._intake.terms()
            accepted = await create_tasks(self._hot, workspace_id, [waiting.request for waiting in batch], terms)
        except Exception as error:
            if len(batch) == 1 or is_unavailable(error):
                _refused(batch, error)
                return
            for waiting in batch:
                await self._create_in_one(workspace_id, [waiting])
            return
        self._settle(batch, accepted)

    def _settle(self, batch: Sequence[_Waiting], accepted: Accepted) -> list[_Waiting]:
        """Those of which nothing has been done yet."""
        left = list[_Waiting]()
        for waiting, outcome in zip(batch, accepted.outcomes, strict=True):
            if outcome is None:
                left.append(waiting)
            else:
                waiting.settle(outcome)
        if accepted.workspaces:
            # Beside the next of them: Redis may be slow.
            self._begin(self._unit_of_work.announce(accepted.queued, accepted.workspaces))
        return left


def _first_of(waiting: Sequence[_Waiting]) -> tuple[list[_Waiting], list[_Waiting]]:
    """As many as fit, in the order in which they came, each key once; and the rest."""
    first, rest = list[_Waiting](), list[_Waiting]()
    keys, drafts = set[str | None](), 0
    for each in waiting:
        request = each.request
        repeated = request.key is not None and request.key in keys
        if rest or repeated or (first and drafts + len(request.drafts) > MAX_DRAFTS):
            rest.append(each)
        elif not each.done.done():
            first.append(each)
            keys.add(request.key)
            drafts += len(request.drafts)
    return first, rest


def _refused(batch: Sequence[_Waiting], error: Exception) -> list[_Waiting]:
    for waiting in batch:
        waiting.settle(error)
    return []
