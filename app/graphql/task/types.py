"""A task as clients see it. Scalars are copied from columns; edges go through loaders."""

from datetime import datetime
from typing import Any, Self
from uuid import UUID

import strawberry

from app import ids
from app.db.hot import Row
from app.graphql.account.user import User
from app.graphql.context import Info
from app.graphql.errors import UserError
from app.graphql.relay import After, First, Node, Page, PageArguments, PageInfo, fetch_page, number_key
from app.graphql.scalars import BigInt
from app.graphql.task.blank import blank_row
from app.graphql.task.enums import (
    TaskComplexityType,
    TaskEventKindType,
    TaskStatusType,
    TaskWaitReasonType,
    TimeoutPolicyType,
)
from app.graphql.template.types import TemplateVersion
from app.graphql.worker.types import Worker
from app.models import TaskComplexity, TaskStatus
from app.models.columns import MICROS_PER_CREDIT
from app.services.task import queries
from app.services.task.log import LoggedEvent, Seen

JSON = strawberry.scalars.JSON
Columns = queries.Columns
_ATTEMPT_KEY = number_key(queries.ATTEMPT_COLUMNS.number, "attempt")
_EVENT_KEY = number_key(queries.EVENT_COLUMNS.seq, "event")


@strawberry.type(description="Why an attempt or a task failed.")
class TaskError:
    code: str = strawberry.field(description="Stable word, such as rate_limited, output_invalid or worker_lost.")
    message: str = strawberry.field(description="For people.")
    retryable: bool = strawberry.field(description="Whether trying again can help.")

    @classmethod
    def from_json(cls, error: dict[str, Any] | None) -> Self | None:
        return cls(**error) if error else None


@strawberry.type(description="What a waiting task waits for.")
class TaskWait:
    id: strawberry.ID = strawberry.field(description="Names this wait when answering it.")
    reason: TaskWaitReasonType = strawberry.field(description="What it waits for.")  # type: ignore[valid-type]
    deadline: datetime | None = strawberry.field(description="How long it waits; null means for ever.")
    on_timeout: TimeoutPolicyType = strawberry.field(description="What happens then.")  # type: ignore[valid-type]

    @classmethod
    def from_row(cls, row: Columns) -> Self | None:
        wait = row["wait"]
        return cls(**wait, deadline=row["wait_until"]) if wait else None


@strawberry.type(description="Which model does a task, and why.")
class RoutingDecision:
    provider: str = strawberry.field(
        description="openai, anthropic, huggingface, replicate or local; openai_compatible for your own server."
    )
    model: str = strawberry.field(description="The provider's name of the model.")
    connection_id: strawberry.ID | None = strawberry.field(
        description="The workspace's own connection that it goes through; null for the installation's."
    )
    tier: str = strawberry.field(description="primary, fallback or budget.")
    reasons: list[str] = strawberry.field(description="Each step of the decision, in order.")
    fallbacks: list[str] = strawberry.field(description="What would be tried next, as provider/model.")

    @classmethod
    def from_json(cls, stored: dict[str, Any]) -> Self:
        names = ("provider", "model", "tier", "reasons", "fallbacks")
        own = stored.get("connection")
        connection_id = strawberry.ID(ids.encode(ids.PROVIDER_CONNECTION, UUID(own["id"]))) if own else None
        return cls(connection_id=connection_id, **{name: stored[name] for name in names})


@strawberry.type(description="One try at a task.")
class TaskAttempt:
    worker_id: strawberry.Private[UUID | None]
    number: int = strawberry.field(description="1, 2, 3 … per task.")
    provider: str | None = strawberry.field(description="The AI provider that was asked.")
    model: str | None = strawberry.field(description="The model that was asked.")
    status: TaskStatusType = strawberry.field(description="RUNNING, SUCCEEDED, FAILED or CANCELED.")  # type: ignore[valid-type]
    error: TaskError | None = strawberry.field(description="Why it failed.")
    input_tokens: int | None = strawberry.field(description="Tokens read by the model.")
    cached_input_tokens: int | None = strawberry.field(
        description="Of inputTokens, those at the price of cached input."
    )
    output_tokens: int | None = strawberry.field(description="Tokens written by the model.")
    cost_micros: BigInt = strawberry.field(description="What it used, at its model's price, in micro-credits.")
    usage_estimated: bool = strawberry.field(description="Whether the provider did not count and we estimated.")
    started_at: datetime = strawberry.field(description="When it began.")
    finished_at: datetime | None = strawberry.field(description="When it ended.")

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            worker_id=row["worker_id"],
            number=row["number"],
            provider=row["provider"],
            model=row["model"],
            status=TaskStatus(row["status"]),
            error=TaskError.from_json(row["error"]),
            input_tokens=row["input_tokens"],
            cached_input_tokens=row["cached_input_tokens"],
            output_tokens=row["output_tokens"],
            cost_micros=BigInt(row["cost_micros"]),
            usage_estimated=row["usage_estimated"],
            started_at=row["started_at"],
            finished_at=row["finished_at"],
        )

    @strawberry.field(description="The worker that was named for it.")
    async def worker(self, info: Info) -> Worker | None:
        return await load_worker(info, self.worker_id)


@strawberry.type(description="An attempt and its place in the list.")
class TaskAttemptEdge:
    cursor: str = strawberry.field(description="Pass it as after to go on from here.")
    node: TaskAttempt = strawberry.field(description="The attempt.")


@strawberry.type(description="A page of attempts, oldest first.")
class TaskAttemptConnection:
    edges: list[TaskAttemptEdge] = strawberry.field(description="The attempts with their cursors.")
    nodes: list[TaskAttempt] = strawberry.field(description="The attempts alone.")
    page_info: PageInfo = strawberry.field(description="Where the page lies in the list.")


@strawberry.type(description="A piece of work: what goes in, who does it, what came out.")
class Task(Node):
    row: strawberry.Private[Columns]
    type: str = strawberry.field(description='What kind of work, such as "email.reply".')
    status: TaskStatusType = strawberry.field(description="Where it stands.")  # type: ignore[valid-type]
    input: JSON = strawberry.field(description="What it works on.")
    output: JSON | None = strawberry.field(description="What came out; null until it has succeeded.")
    cost: float = strawberry.field(description="What was charged for it, in credits, for people to read.")
    cost_micros: BigInt = strawberry.field(
        description="What was charged for it, exact, in micro-credits: 0 until it ends, and when it fails."
    )
    reserved_micros: BigInt = strawberry.field(description="What is held for it, in micro-credits.")
    complexity: TaskComplexityType = strawberry.field(description="How hard it is.")  # type: ignore[valid-type]
    cost_sensitive: bool = strawberry.field(description="Whether a cheap model is preferred.")
    priority: int = strawberry.field(description="1 goes first, 9 last.")
    progress: float | None = strawberry.field(description="From 0 to 1, where the worker reports it.")
    error: TaskError | None = strawberry.field(description="Why it failed, or why the last attempt did.")
    routing: RoutingDecision | None = strawberry.field(
        description="Which model does it, and why; null where a person or another system does it."
    )
    wait: TaskWait | None = strawberry.field(description="What it waits for, while WAITING.")
    attempt_count: int = strawberry.field(description="How many attempts were begun.")
    metadata: JSON = strawberry.field(description="The creator's own data, returned unchanged.")
    tags: list[str] = strawberry.field(description="The creator's own labels.")
    version: int = strawberry.field(description="Rises with every change.")
    created_at: datetime = strawberry.field(description="When it was accepted.")
    run_at: datetime | None = strawberry.field(description="Not before this time: as scheduled, or the next attempt.")
    started_at: datetime | None = strawberry.field(description="When the first attempt began.")
    finished_at: datetime | None = strawberry.field(description="When it ended.")
    cancel_requested_at: datetime | None = strawberry.field(description="When somebody asked to stop it.")

    @classmethod
    def from_row(cls, row: Columns) -> Self:
        return cls(
            row=row,
            id=strawberry.ID(ids.encode(ids.TASK, row["id"])),
            type=row["type"],
            status=TaskStatus(row["status"]),
            input=row["input"],
            output=row["output"],
            cost=row["cost_micros"] / MICROS_PER_CREDIT,
            cost_micros=BigInt(row["cost_micros"]),
            reserved_micros=BigInt(row["reserved_micros"]),
            complexity=TaskComplexity(row["complexity"]),
            cost_sensitive=row["cost_sensitive"],
            priority=row["priority"],
            progress=row["progress"],
            error=TaskError.from_json(row["error"]),
            routing=RoutingDecision.from_json(row["routing"]) if row["routing"] else None,
            wait=TaskWait.from_row(row),
            attempt_count=row["attempt"],
            metadata=row["metadata"],
            tags=row["tags"],
            version=row["version"],
            created_at=row["created_at"],
            run_at=row["run_at"],
            started_at=row["started_at"],
            finished_at=row["finished_at"],
            cancel_requested_at=row["cancel_requested_at"],
        )

    @strawberry.field(description="The worker named for it; null where routing decides.")
    async def worker(self, info: Info) -> Worker | None:
        return await load_worker(info, self.row["worker_id"])

    @strawberry.field(description="The template version it was created with.")
    async def template(self, info: Info) -> TemplateVersion | None:
        version_id = self.row["template_version_id"]
        row = await info.context.loaders.template_version.load(version_id) if version_id else None
        return TemplateVersion.from_row(row) if row is not None else None

    @strawberry.field(description="Who created it; null for an API key.")
    async def created_by(self, info: Info) -> User | None:
        user_id = self.row["created_by"]
        row = await info.context.loaders.user.load(user_id) if user_id else None
        return User.from_row(row) if row is not None else None

    @strawberry.field(description="What the latest attempt has written so far, at most a few seconds old.")
    async def partial_output(self, info: Info) -> str | None:
        if not self.row["attempt"]:
            return None
        row = await info.context.loaders.partial_output.load(self.row["id"])
        return row["output_text"] if row is not None else None

    @strawberry.field(description="1 for the task that this workspace's queue starts next; null unless due and queued.")
    async def queue_position(self, info: Info) -> int | None:
        if self.row["status"] != TaskStatus.QUEUED:
            return None
        row = await info.context.loaders.queue_position.load(self.row["id"])
        return row["position"] if row is not None else None

    @strawberry.field(description="When it cannot start earlier; null when it may start at any moment or has started.")
    def estimated_start_at(self) -> datetime | None:
        return self.run_at if self.status in (TaskStatus.SCHEDULED, TaskStatus.QUEUED) else None

    @strawberry.field(description="Its attempts, oldest first.")
    async def attempts(self, info: Info, first: First = None, after: After = None) -> TaskAttemptConnection:
        statement = queries.attempts_of(self.row["id"])
        page = await fetch_page(info.context.reader, statement, _ATTEMPT_KEY, PageArguments(first, after))
        nodes = [TaskAttempt.from_row(row) for row in page.rows]
        edges = [TaskAttemptEdge(cursor=at, node=node) for at, node in zip(page.cursors, nodes, strict=True)]
        return TaskAttemptConnection(edges=edges, nodes=nodes, page_info=page.info)

    @strawberry.field(description="What happened to it, oldest first.")
    async def events(self, info: Info, first: First = None, after: After = None) -> "TaskEventConnection":
        statement = queries.events_of(self.row)
        page = await fetch_page(info.context.reader, statement, _EVENT_KEY, PageArguments(first, after))
        nodes = [event_view(LoggedEvent.of(row, self.row).seen) for row in page.rows]
        edges = [TaskEventEdge(cursor=at, node=node) for at, node in zip(page.cursors, nodes, strict=True)]
        return TaskEventConnection(edges=edges, nodes=nodes, page_info=page.info)


@strawberry.type(description="Something that happened to a task.")
class TaskEvent:
    shared: strawberry.Private[dict[Any, Any]]
    cursor: str = strawberry.field(
        description="Pass it as after to taskEvents to resume, in any process, after any outage."
    )
    seq: int = strawberry.field(description="1, 2, 3 … per task, without a gap. A SNAPSHOT has that of the last event.")
    kind: TaskEventKindType = strawberry.field(description="What happened.")  # type: ignore[valid-type]
    at: datetime = strawberry.field(description="When.")
    task: Task = strawberry.field(
        description="The task as it stood right after. The opening event of a workspace's stream shows its newest "
        "task, or one with an all-zero id where there is none yet."
    )
    data: JSON | None = strawberry.field(description="What else belongs to it: attempt, error, reason, nextAttemptAt.")
    gap: bool = strawberry.field(description="True only on a SNAPSHOT sent because the cursor was too old.")


@strawberry.type(description="An event and its place in the list.")
class TaskEventEdge:
    cursor: str = strawberry.field(description="Pass it as after to go on from here.")
    node: TaskEvent = strawberry.field(description="The event.")


@strawberry.type(description="A page of events, oldest first.")
class TaskEventConnection:
    edges: list[TaskEventEdge] = strawberry.field(description="The events with their cursors.")
    nodes: list[TaskEvent] = strawberry.field(description="The events alone.")
    page_info: PageInfo = strawberry.field(description="Where the page lies in the list.")


@strawberry.type(description="A piece of the text that a task's model is writing.")
class TaskOutputChunk:
    attempt: int = strawberry.field(description="The attempt that writes it.")
    offset: int = strawberry.field(description="Where it begins in the attempt's text, in characters.")
    text: str = strawberry.field(description="The piece; empty when done.")
    reset: bool = strawberry.field(description="Forget what came before: another text begins with this piece.")
    done: bool = strawberry.field(description="The task has ended; nothing follows.")


@strawberry.type(description="A task and its place in the list.")
class TaskEdge:
    cursor: str = strawberry.field(description="Pass it as after or before to go on from here.")
    node: Task = strawberry.field(description="The task.")


@strawberry.type(description="A page of tasks, newest first.")
class TaskConnection:
    wanted: strawberry.Private[queries.TaskFilter]
    edges: list[TaskEdge] = strawberry.field(description="The tasks with their cursors.")
    nodes: list[Task] = strawberry.field(description="The tasks alone.")
    page_info: PageInfo = strawberry.field(description="Where the page lies in the list.")

    @classmethod
    def from_page(cls, page: Page, wanted: queries.TaskFilter) -> Self:
        nodes = [Task.from_row(row) for row in page.rows]
        edges = [TaskEdge(cursor=cursor, node=node) for cursor, node in zip(page.cursors, nodes, strict=True)]
        return cls(wanted=wanted, edges=edges, nodes=nodes, page_info=page.info)

    @strawberry.field(description="How many tasks the filter fits in all. Counted only when asked for.")
    async def total_count(self, info: Info) -> int:
        where = queries.matching(self.wanted)
        (row,) = await info.context.fetch(queries.count(where), *where.values)
        return int(row["count"])


@strawberry.type(description="What a mutation of a task gives.")
class TaskPayload:
    task: Task | None = strawberry.field(default=None, description="The task after it; null where errors say why.")
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it did not work; else empty.")


@strawberry.type(description="What createTask gives.")
class CreateTaskPayload:
    task: Task | None = strawberry.field(default=None, description="The task; null where errors say why.")
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it did not work; else empty.")
    replayed: bool = strawberry.field(
        default=False,
        description="Whether this is the answer to an earlier request with the same idempotency key.",
    )


@strawberry.type(description="What createTasks gives: a result for each input, in order.")
class CreateTasksPayload:
    results: list[CreateTaskPayload] = strawberry.field(
        default_factory=list, description="For each input its task or its own errors."
    )
    errors: list[UserError] = strawberry.field(
        default_factory=list,
        description="What was wrong with the request as a whole; then nothing was created.",
    )


async def load_worker(info: Info, worker_id: UUID | None) -> Worker | None:
    row = await info.context.loaders.worker.load(worker_id) if worker_id else None
    return Worker.from_row(row) if row is not None else None


def event_view(seen: Seen) -> TaskEvent:
    """The same object for all subscribers of this process: it is built once."""
    view: TaskEvent | None = seen.shared.get(TaskEvent)
    if view is None:
        view = seen.shared[TaskEvent] = TaskEvent(
            shared=seen.shared,
            cursor=seen.cursor.encode(),
            seq=seen.seq,
            kind=seen.kind,
            at=seen.cursor.at,
            task=Task.from_row(seen.task if seen.task is not None else blank_row(seen.cursor.at)),
            data=JSON(seen.data),
            gap=seen.gap,
        )
    return view
