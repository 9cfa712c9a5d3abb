"""Fields of Mutation about tasks."""

from typing import Annotated

import strawberry

from app import ids
from app.errors import AppError, InvalidInput, LimitExceeded
from app.graphql.context import Info
from app.graphql.errors import PayloadErrors, user_error
from app.graphql.task.inputs import CreateTaskInput, require_id
from app.graphql.task.types import CreateTaskPayload, CreateTasksPayload, Task, TaskPayload
from app.services.task import cancel, create, retry
from app.services.task.draft import TaskDraft
from app.services.task.idempotency import check_key

TaskId = Annotated[strawberry.ID, strawberry.argument(description="Id of the task.")]

IdempotencyKey = Annotated[
    str | None,
    strawberry.argument(
        description="Any text of your own, the same when you repeat the request: it is done once, and answered the "
        "same for 24 hours."
    ),
]


@strawberry.type
class TaskMutations:
    @strawberry.mutation(
        description="Accept a task: it is stored, then done in the background. Watch it with taskEvents.",
        extensions=[PayloadErrors("input")],
    )
    async def create_task(
        self,
        info: Info,
        input: Annotated[CreateTaskInput, strawberry.argument(description="The task.")],
        idempotency_key: IdempotencyKey = None,
    ) -> CreateTaskPayload:
        key = _checked(idempotency_key)
        outcome = await info.context.create_tasks([input.to_draft()], key, keep_errors=False)
        (task,) = outcome.results
        if isinstance(task, AppError):
            raise task
        return CreateTaskPayload(task=Task.from_row(task), replayed=outcome.replayed)

    @strawberry.mutation(
        description=f"Accept up to {create.MAX_BATCH} tasks at once. A wrong one does not hold up the others.",
        extensions=[PayloadErrors()],
    )
    async def create_tasks(
        self,
        info: Info,
        inputs: Annotated[list[CreateTaskInput], strawberry.argument(description="The tasks.")],
        idempotency_key: IdempotencyKey = None,
    ) -> CreateTasksPayload:
        key = _checked(idempotency_key)
        _check_batch(inputs)
        drafts = [_draft_or_error(item) for item in inputs]
        right = [draft for draft in drafts if isinstance(draft, TaskDraft)]
        outcome = await info.context.create_tasks(right, key, keep_errors=True)
        accepted = iter(outcome.results)
        results = []
        for index, draft in enumerate(drafts):
            result = next(accepted) if isinstance(draft, TaskDraft) else draft
            if isinstance(result, AppError):
                payload = CreateTaskPayload(errors=[user_error(result, ("inputs", str(index)))])
            else:
                payload = CreateTaskPayload(task=Task.from_row(result))
            payload.replayed = outcome.replayed
            results.append(payload)
        return CreateTasksPayload(results=results)

    @strawberry.mutation(
        description="Stop a task: at once while nobody works on it, within about a second while somebody does.",
        extensions=[PayloadErrors()],
    )
    async def cancel_task(
        self,
        info: Info,
        id: TaskId,
        reason: Annotated[str | None, strawberry.argument(description="Why; at most 500 characters.")] = None,
    ) -> TaskPayload:
        async with info.context.unit_of_work() as uow:
            task = await cancel.cancel_task(uow, require_id(ids.TASK, "Task", id), reason)
        return TaskPayload(task=Task.from_row(task))

    @strawberry.mutation(
        description="Queue a failed, canceled or expired task again, with all its attempts.",
        extensions=[PayloadErrors()],
    )
    async def retry_task(self, info: Info, id: TaskId) -> TaskPayload:
        async with info.context.unit_of_work() as uow:
            task = await retry.retry_task(uow, require_id(ids.TASK, "Task", id))
        return TaskPayload(task=Task.from_row(task))


def _checked(idempotency_key: str | None) -> str | None:
    if idempotency_key is not None:
        check_key(idempotency_key)
    return idempotency_key


def _check_batch(inputs: list[CreateTaskInput]) -> None:
    if not inputs:
        raise InvalidInput("Give at least one task.", ("inputs",))
    if len(inputs) > create.MAX_BATCH:
        raise LimitExceeded(
            f"{len(inputs)} tasks; the limit is {create.MAX_BATCH}.",
            limit=create.MAX_BATCH,
            actual=len(inputs),
            path=("inputs",),
        )


def _draft_or_error(item: CreateTaskInput) -> TaskDraft | AppError:
    try:
        return item.to_draft()
    except AppError as error:
        return error
