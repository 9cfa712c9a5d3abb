"""The worker process: claims what is due while it has room, runs it, keeps its leases."""

import asyncio
import os
import socket
import time
from datetime import timedelta
from functools import partial

import structlog

from app.actors.periodic import every
from app.db.availability import is_unavailable
from app.db.hot import Row
from app.services.task import claim
from app.services.task.claim import FIRST_TURN, Held
from app.services.task.run import Control, Stop, Toolbox, run_task
from app.settings import Settings

log = structlog.get_logger(__name__)

LOOK_SECONDS = 1.0
CANCEL_CHECK_SECONDS = 0.5
# A lease survives two heartbeats that fail.
HEARTBEAT_SHARE = 0.3
# Writing down that a task is handed back; what takes longer is left to its lease.
HAND_BACK_SECONDS = 4.0
CLAIM_BATCH = 25
MAX_PAUSE_SECONDS = 0.005


class Job:
    """A task that this process works on. Its attempt changes when a call fails and the next follows at once."""

    def __init__(self, tools: Toolbox, task: Row) -> None:
        self._id = task["id"]
        self._control = Control(task["attempt"])
        self.task = asyncio.create_task(run_task(tools, task, self._control), name=f"task-{task['id']}")

    @property
    def held(self) -> Held:
        return Held(self._id, self._control.attempt)

    @property
    def recording(self) -> bool:
        return self._control.recording

    def stop(self, reason: Stop) -> None:
        if self._control.stop is None:
            self._control.stop = reason
            if not self._control.recording:
                self.task.cancel()


class Runner:
    """Everything this process is working on. A look claims as much as there is room for; each ending looks again."""

    def __init__(self, tools: Toolbox, settings: Settings) -> None:
        self._tools = tools
        self._room = settings.bizq_worker_concurrency
        self._per_workspace = settings.bizq_workspace_concurrency
        self._lease = timedelta(seconds=settings.bizq_lease_seconds)
        self._name = f"{socket.gethostname()}-{os.getpid()}"[:100]
        self._jobs: set[Job] = set()
        self._wanted = asyncio.Event()
        self._loops: list[asyncio.Task[None]] = []
        self._draining = False
        self._turn = FIRST_TURN

    def start(self) -> None:
        heartbeat = self._lease.total_seconds() * HEARTBEAT_SHARE
        self._loops = [
            asyncio.create_task(self._claim_forever()),
            asyncio.create_task(every(heartbeat, self._heartbeat)),
            asyncio.create_task(every(CANCEL_CHECK_SECONDS, self._heed_cancels)),
        ]

    def look(self) -> None:
        """There may be work."""
        self._wanted.set()

    async def drain(self, seconds: float) -> None:
        """Claim no more, let what runs finish, hand back what does not finish in time."""
        deadline = time.monotonic() + seconds
        self._draining = True
        # Not cancelled: what a claim has just taken would wait for its lease to run out.
        self.look()
        await asyncio.wait(self._loops[:1], timeout=seconds)
        await self._wait_for_jobs(max(0.0, deadline - time.monotonic()))
        for job in self._jobs:
            job.stop(Stop.SHUTDOWN)
        await self._wait_for_jobs(HAND_BACK_SECONDS)
        for loop in self._loops:
            loop.cancel()
        await asyncio.gather(*self._loops, return_exceptions=True)

    async def _wait_for_jobs(self, seconds: float) -> None:
        if self._jobs:
            await asyncio.wait([job.task for job in self._jobs], timeout=seconds)

    async def _claim_forever(self) -> None:
        while not self._draining:
            self._wanted.clear()
            began = time.monotonic()
            try:
                claimed = await self._claim()
            except Exception as error:
                # A worker that does not claim any more would look alive and do nothing.
                if is_unavailable(error):
                    log.warning("cannot claim: the database does not answer", reason=type(error).__name__)
                else:
                    log.exception("claim broke")
                claimed = 0
            # One claim for several tasks costs less than several: in a burst the next waits a moment for company.
            await asyncio.sleep(min(time.monotonic() - began, MAX_PAUSE_SECONDS))
            if claimed < CLAIM_BATCH and not self._draining:
                # A message may have been lost, and retries become due by themselves.
                await _wait(self._wanted, LOOK_SECONDS)

    async def _claim(self) -> int:
        room = min(CLAIM_BATCH, self._room - len(self._jobs))
        if room <= 0:
            return 0
        rows = await claim.claim_tasks(
            self._tools.hot,
            claimant=self._name,
            most=room,
            per_workspace=self._per_workspace,
            lease=self._lease,
            turn=self._turn,
        )
        for row in rows:
            job = Job(self._tools, row)
            self._jobs.add(job)
            job.task.add_done_callback(partial(self._ended, job))
        if rows:
            self._turn = self._turn.after(rows)
            await self._tools.unit_of_work.wake_watchers({row["workspace_id"] for row in rows})
        return len(rows)

    def _ended(self, job: Job, _: asyncio.Task[None]) -> None:
        self._jobs.remove(job)
        if not job.task.cancelled() and (error := job.task.exception()) is not None:
            # Recording failed: the lease runs out and the task is tried again.
            held = job.held
            log.error("attempt not recorded", task_id=str(held.task_id), attempt=held.attempt, exc_info=error)
        self.look()

    async def _heartbeat(self) -> None:
        held = {job: job.held for job in self._jobs}
        if not held:
            return
        kept = await claim.renew_leases(self._tools.hot, list(held.values()), lease=self._lease)
        for job, was in held.items():
            # One that was recording may have gone on to its next attempt while the database was asked.
            if was not in kept and job.held == was and not job.recording:
                job.stop(Stop.LEASE_LOST)

    async def _heed_cancels(self) -> None:
        if not self._jobs:
            return
        wanted = await claim.canceled(self._tools.hot, [job.held for job in self._jobs])
        for job in self._jobs:
            if job.held in wanted:
                job.stop(Stop.CANCELED)


async def _wait(event: asyncio.Event, seconds: float) -> None:
    try:
        await asyncio.wait_for(event.wait(), seconds)
    except TimeoutError:
        return
