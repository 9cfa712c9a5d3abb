"""Fields of Subscription: tasks live."""

import re
from collections.abc import AsyncGenerator
from contextlib import aclosing
from typing import Annotated

import strawberry

from app import ids
from app.errors import InvalidInput
from app.graphql.context import Info
from app.graphql.task.inputs import TaskFilterInput, decode_id, require_id
from app.graphql.task.types import TaskEvent, TaskOutputChunk, event_view
from app.services.task.follow_output import FIRST_ATTEMPT, follow_output
from app.services.task.queries import TaskFilter
from app.services.task.watch import Watcher

_POSITION = re.compile(r"([0-9]{1,9})\.([0-9]{1,9})")


@strawberry.type
class TaskSubscriptions:
    @strawberry.subscription(
        description="What happens to one task, until its final event, or in the whole workspace. It begins with a "
        "SNAPSHOT that carries the present cursor; with after, with everything missed since."
    )
    async def task_events(
        self,
        info: Info,
        task_id: Annotated[strawberry.ID | None, strawberry.argument(description="Only this task.")] = None,
        filter: Annotated[
            TaskFilterInput | None,
            strawberry.argument(description="For the workspace: only events of tasks that fit."),
        ] = None,
        after: Annotated[str | None, strawberry.argument(description="The cursor of the last event received.")] = None,
    ) -> AsyncGenerator[TaskEvent, None]:
        resources, after = info.context.resources, info.context.last_event_id or after
        watcher = Watcher(resources.engine, resources.hot, resources.feed, info.context.principal)
        wanted_id = decode_id(ids.TASK, "Task", task_id, "taskId")
        if wanted_id is not None and filter is not None:
            raise InvalidInput("Give taskId or filter, not both.", ("filter",))
        if wanted_id is not None:
            stream = watcher.task(wanted_id, after)
        else:
            stream = watcher.workspace(filter.to_filter() if filter is not None else TaskFilter(), after)
        async with aclosing(stream) as events:
            async for seen in events:
                event = event_view(seen)
                info.context.event_id = event.cursor
                yield event

    @strawberry.subscription(
        description="The text that a task's model is writing, at most 20 pieces a second, until the task has ended."
    )
    async def task_output(
        self,
        info: Info,
        task_id: Annotated[strawberry.ID, strawberry.argument(description="Id of the task.")],
        from_offset: Annotated[
            int | None,
            strawberry.argument(description="How many characters you have already of the attempt that you name."),
        ] = 0,
        attempt: Annotated[
            int | None,
            strawberry.argument(
                description="The attempt of the last chunk that you received: the first, where you do not say."
            ),
        ] = None,
    ) -> AsyncGenerator[TaskOutputChunk, None]:
        wanted_id = require_id(ids.TASK, "Task", task_id, "taskId")
        resources = info.context.resources
        if info.context.last_event_id:
            attempt, from_offset = _position(info.context.last_event_id)
        elif attempt is None:
            attempt = FIRST_ATTEMPT
        chunks = follow_output(
            info.context.reader, resources.hub, resources.output, wanted_id, attempt, from_offset or 0
        )
        async with aclosing(chunks) as stream:
            async for chunk in stream:
                info.context.event_id = f"{chunk.attempt}.{chunk.offset + len(chunk.text)}"
                yield TaskOutputChunk(
                    attempt=chunk.attempt,
                    offset=chunk.offset,
                    text=chunk.text,
                    reset=chunk.reset,
                    done=chunk.done,
                )


def _position(last_event_id: str) -> tuple[int, int]:
    """The attempt, and how many characters of it the reader has."""
    found = _POSITION.fullmatch(last_event_id)
    if found is None:
        raise InvalidInput("Last-Event-ID is not one of this stream.", ("fromOffset",))
    return int(found[1]), int(found[2])
