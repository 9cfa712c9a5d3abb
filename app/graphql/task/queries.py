"""Fields of Query about tasks."""

from typing import Annotated

import strawberry

from app import ids
from app.errors import NotFound
from app.graphql.context import Info
from app.graphql.relay import After, Before, First, Last, PageArguments, Window, uuid_key
from app.graphql.task.inputs import TaskFilterInput, require_id
from app.graphql.task.types import Task, TaskConnection
from app.services.task import queries

# UUIDv7 ids sort by creation.
_NEWEST_FIRST = uuid_key(queries.COLUMNS.id, "task", descending=True)


@strawberry.type
class TaskQueries:
    @strawberry.field(
        description="One task of this workspace. An unknown id and another workspace's are both NOT_FOUND."
    )
    async def task(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="Id of the task.")]
    ) -> Task | None:
        row = await info.context.loaders.task.load(require_id(ids.TASK, "Task", id))
        if row is None:
            raise NotFound("Task", id)
        return Task.from_row(row)

    @strawberry.field(description="The workspace's tasks, newest first.")
    async def tasks(
        self,
        info: Info,
        first: First = None,
        after: After = None,
        last: Last = None,
        before: Before = None,
        filter: Annotated[TaskFilterInput | None, strawberry.argument(description="Only tasks that fit.")] = None,
    ) -> TaskConnection:
        wanted = filter.to_filter() if filter is not None else queries.TaskFilter()
        window = Window.of(_NEWEST_FIRST, PageArguments(first, after, last, before))
        where = queries.matching(wanted)
        for smaller, value in window.bounds:
            where.add("id < {}" if smaller else "id > {}", value)
        rows = await info.context.fetch(*queries.page(where, window.size + 1, falling=window.falling))
        return TaskConnection.from_page(window.page(rows), wanted)
