"""The scheduler: serves what time decides. Every worker process runs one; more of them only do it sooner."""

import asyncio
from collections.abc import Callable
from datetime import timedelta

import structlog
from sqlalchemy.ext.asyncio import AsyncEngine

from app.actors.periodic import every
from app.services.account import sessions
from app.services.billing import usage
from app.services.sso import flows
from app.services.task import schedule
from app.services.task.funding import Funding
from app.services.workspace import invitations
from app.settings import Settings
from app.unit_of_work import UnitOfWorkFactory

log = structlog.get_logger(__name__)

DUE_SECONDS = 0.5
OVERDUE_SECONDS = 1.0
FUNDING_SECONDS = 1.0
HOUSEKEEPING_SECONDS = 300.0
USAGE_SECONDS = 60.0


class Scheduler:
    """`on_due` is called when tasks have become due."""

    def __init__(
        self, engine: AsyncEngine, unit_of_work: UnitOfWorkFactory, settings: Settings, on_due: Callable[[], None]
    ) -> None:
        self._engine = engine
        self._unit_of_work = unit_of_work
        self._events_kept = timedelta(days=settings.bizq_events_days)
        self._attempts_kept = timedelta(days=settings.bizq_attempts_days)
        self._on_due = on_due
        self._funding = Funding(engine, unit_of_work)
        self._loops: list[asyncio.Task[None]] = []

    def start(self) -> None:
        self._loops = [
            asyncio.create_task(every(DUE_SECONDS, self._queue_due)),
            asyncio.create_task(every(OVERDUE_SECONDS, self._settle)),
            asyncio.create_task(every(FUNDING_SECONDS, self._fund)),
            asyncio.create_task(every(HOUSEKEEPING_SECONDS, self._keep_house)),
            asyncio.create_task(every(USAGE_SECONDS, self._count_usage)),
        ]

    async def stop(self) -> None:
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def _queue_due(self) -> None:
        while moved := await schedule.queue_due(self._engine, self._unit_of_work):
            self._on_due()
            if moved < schedule.DUE_BATCH:
                return

    async def _settle(self) -> None:
        while found := await schedule.settle_overdue(self._engine, self._unit_of_work):
            self._on_due()
            if found < schedule.OVERDUE_BATCH:
                return

    async def _fund(self) -> None:
        # Again at once while there is more: whoever has just paid does not wait for a clock.
        while await self._funding.round():
            self._on_due()

    async def _keep_house(self) -> None:
        # Before the partitions, which somebody who reads them for long can keep from being dropped.
        while await schedule.expire_idempotency_keys(self._engine) == schedule.KEYS_BATCH:
            pass
        await sessions.clear_out(self._engine)
        await flows.clear_out(self._engine)
        await invitations.clear_out(self._engine)
        dropped = await schedule.keep_history(self._engine, events=self._events_kept, attempts=self._attempts_kept)
        if dropped:
            log.info("old history dropped", partitions=dropped)

    async def _count_usage(self) -> None:
        while await usage.refresh(self._engine):
            pass
