"""What a subscriber sees: everything that happened to a task or in a workspace, in order, nothing twice."""

from collections.abc import AsyncGenerator
from contextlib import aclosing
from datetime import timedelta
from uuid import UUID

from sqlalchemy.ext.asyncio import AsyncEngine

from app import clock, ids
from app.db.hot import Hot
from app.db.reader import Reader
from app.errors import NotFound
from app.events.follow import follow
from app.events.subscription import FeedStopped, Lagged
from app.models import TaskEventKind
from app.principal import Permission, Principal
from app.services.task import queries
from app.services.task.fits import Sieve
from app.services.task.lifecycle import TERMINAL
from app.services.task.log import Cursor, LoggedEvent, Position, Seen, TaskFeed, log_head
from app.services.task.queries import Columns, TaskFilter

RESUME_WINDOW = timedelta(hours=72)


class Watcher:
    """The subscriptions of one caller. Their streams end with FeedStopped when the process goes down."""

    def __init__(self, engine: AsyncEngine, hot: Hot, feed: TaskFeed, principal: Principal) -> None:
        self._hot = hot
        self._fetch = hot.of(principal)
        self._feed = feed
        self._principal = principal
        self._reader = Reader(engine, principal, keep=False)

    async def task(self, task_id: UUID, after: str | None) -> AsyncGenerator[Seen, None]:
        """One task: a snapshot or what was missed, then live, until its terminal event. Raises NotFound."""
        self._principal.require(Permission.TASK_READ)
        cursor = Cursor.decode(after) if after is not None else None
        workspace_id = self._principal.workspace_id
        # Subscribe before reading: what happens in between is in both, and dropped by its seq.
        async with self._feed.subscribe(workspace_id) as live:
            task = await self._task(task_id)
            if cursor is None or _too_old(cursor):
                yield _snapshot(task, gap=cursor is not None)
                seq = task["event_seq"]
            else:
                seq = await self._seq_at(task, cursor.position)
            ended = task["status"] in TERMINAL and seq >= task["event_seq"]
            while not ended:
                # What the log has beyond seq: after a resume, or after this client fell behind.
                if rows := await self._reader.rows(queries.events_after(task, seq)):
                    task = await self._task(task_id)
                for row in rows:
                    seen = LoggedEvent.of(row, task).seen
                    yield seen
                    seq, ended = seen.seq, seen.is_end
                try:
                    while not ended:
                        event = await live.get()
                        if event.position.task_id == task_id and event.position.seq > seq:
                            yield event.seen
                            seq, ended = event.seen.seq, event.seen.is_end
                except Lagged:
                    # Live again first, then read: what happens in between is in both.
                    self._feed.rejoin(workspace_id, live)

    async def workspace(self, wanted: TaskFilter, after: str | None) -> AsyncGenerator[Seen, None]:
        """The whole workspace: an opening event with the present cursor, or what was missed; then live."""
        self._principal.require(Permission.TASK_READ)
        cursor = Cursor.decode(after) if after is not None else None
        if cursor is None or _too_old(cursor):
            head = await log_head(self._hot, self._principal.workspace_id)
            yield await self._opening(head, gap=cursor is not None)
            position = head
        else:
            position = cursor.position
        sieve = Sieve(wanted, self._fetch)
        async with aclosing(follow(self._feed, self._principal.workspace_id, position)) as events:
            async for event in events:
                seen = event.seen
                if seen.task is not None and await sieve.lets_through(seen.task):
                    yield seen
        raise FeedStopped

    async def _task(self, task_id: UUID) -> Columns:
        tasks = await self._fetch(queries.BY_IDS, [task_id])
        if not tasks:
            raise NotFound("Task", ids.encode(ids.TASK, task_id), ("taskId",))
        return tasks[0]

    async def _seq_at(self, task: Columns, position: Position) -> int:
        """How far the task was at a position, which may be another task's."""
        if position.task_id == task["id"]:
            return position.seq
        row = await self._reader.row(queries.last_seq_before(task, position.xid, position.task_id))
        return row["seq"] if row is not None and row["seq"] is not None else 0

    async def _opening(self, head: Position, *, gap: bool) -> Seen:
        """Stands at the head of the log and shows the newest task, if there is one."""
        newest = await self._fetch(queries.NEWEST)
        task = newest[0] if newest else None
        seq = task["event_seq"] if task is not None else 0
        return Seen(Cursor(head, clock.now()), seq, TaskEventKind.SNAPSHOT, {}, task, gap)


def _snapshot(task: Columns, *, gap: bool) -> Seen:
    position = Position(task["event_xid"], task["id"], task["event_seq"])
    return Seen(Cursor(position, clock.now()), task["event_seq"], TaskEventKind.SNAPSHOT, {}, task, gap)


def _too_old(cursor: Cursor) -> bool:
    return cursor.at < clock.now() - RESUME_WINDOW
