"""Requests to create tasks, gathered: while a transaction of a workspace is under way, those that come wait together.

A workspace's balance is one row, and whoever holds credits has it until the commit: 64 requests at once would wait for
64 commits, one after the other. So they wait for two. Nobody waits for company: a request that is alone goes at once.
"""

import asyncio
from contextvars import Context
from dataclasses import dataclass
from uuid import UUID

from app.db.availability import is_unavailable
from app.db.hot import Hot
from app.errors import AppError
from app.principal import Permission
from app.services.task.create import CreateRequest, Outcome, create_tasks
from app.services.task.plan import Intake
from app.unit_of_work import UnitOfWorkFactory

# Of one transaction. A request may bring more by itself.
MAX_DRAFTS = 500


@dataclass(frozen=True, slots=True)
class _Waiting:
    request: CreateRequest
    done: "asyncio.Future[Outcome]"

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
        # By workspace. One that is here has a transaction under way.
        self._waiting: dict[UUID, list[_Waiting]] = {}
        self._lanes: set[asyncio.Task[None]] = set()

    async def create(self, request: CreateRequest) -> Outcome:
        """When it is committed. Raises what concerns the whole request: Forbidden, or what is wrong with its key."""
        request.principal.require(Permission.TASK_CREATE)
        waiting = _Waiting(request, asyncio.get_running_loop().create_future())
        workspace_id = request.principal.workspace_id
        if workspace_id in self._waiting:
            self._waiting[workspace_id].append(waiting)
        else:
            self._waiting[workspace_id] = [waiting]
            # In nobody's name: the log lines of the lane are not of the request that opened it.
            lane = asyncio.get_running_loop().create_task(self._work(workspace_id), context=Context())
            self._lanes.add(lane)
            lane.add_done_callback(self._lanes.discard)
        return await waiting.done

    async def _work(self, workspace_id: UUID) -> None:
        while batch := self._next(workspace_id):
            await self._create(workspace_id, batch)
        del self._waiting[workspace_id]

    def _next(self, workspace_id: UUID) -> list[_Waiting]:
        """As many as fit, in the order in which they came, each key once."""
        batch, rest = list[_Waiting](), list[_Waiting]()
        keys, drafts = set[str | None](), 0
        for waiting in self._waiting[workspace_id]:
            request = waiting.request
            repeated = request.key is not None and request.key in keys
            if rest or repeated or (batch and drafts + len(request.drafts) > MAX_DRAFTS):
                rest.append(waiting)
            elif not waiting.done.done():
                batch.append(waiting)
                keys.add(request.key)
                drafts += len(request.drafts)
        self._waiting[workspace_id] = rest
        return batch

    async def _create(self, workspace_id: UUID, batch: list[_Waiting]) -> None:
        """Every one of them is settled after it: one that spoils the transaction is not to spoil its neighbours'."""
        try:
            outcomes = await self._create_together(workspace_id, batch)
        except Exception as error:
            if len(batch) == 1 or is_unavailable(error):
                for waiting in batch:
                    waiting.settle(error)
                return
            for waiting in batch:
                await self._create(workspace_id, [waiting])
            return
        for waiting, outcome in zip(batch, outcomes, strict=True):
            waiting.settle(outcome)

    async def _create_together(self, workspace_id: UUID, batch: list[_Waiting]) -> list[Outcome | AppError]:
        terms = await self._intake.terms()
        accepted = await create_tasks(self._hot, workspace_id, [waiting.request for waiting in batch], terms)
        if accepted.made:
            await self._unit_of_work.announce(accepted.queued, {workspace_id})
        return accepted.outcomes
