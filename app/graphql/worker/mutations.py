"""Fields of Mutation about workers."""

from typing import Annotated

import strawberry

from app.graphql.context import Info
from app.graphql.errors import PayloadErrors
from app.graphql.worker.types import CreateWorkerInput, Worker, WorkerPayload
from app.services.worker.create import WorkerDraft, create_worker
from app.services.worker.limits import NO_LIMITS


@strawberry.type
class WorkerMutations:
    @strawberry.mutation(description="Add a worker to this workspace.", extensions=[PayloadErrors("input")])
    async def create_worker(
        self, info: Info, input: Annotated[CreateWorkerInput, strawberry.argument(description="The worker.")]
    ) -> WorkerPayload:
        draft = WorkerDraft(
            name=input.name,
            kind=input.kind,
            provider=input.provider,
            model=input.model,
            system_prompt=input.system_prompt,
            parameters={} if input.parameters is None else input.parameters,
            capabilities=tuple(input.capabilities),
            skills=tuple(input.skills),
            limits=input.limits.to_limits() if input.limits is not None else NO_LIMITS,
        )
        async with info.context.unit_of_work() as uow:
            worker = await create_worker(uow, draft)
        return WorkerPayload(worker=Worker.from_row(worker))
