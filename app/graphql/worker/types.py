"""Workers: who does the tasks."""

from datetime import datetime
from typing import Self

import strawberry

from app import ids
from app.db.hot import Row
from app.graphql.enums import described
from app.graphql.errors import UserError
from app.graphql.relay import Node, Page, PageInfo
from app.graphql.scalars import BigInt
from app.models import WorkerKind
from app.services.worker.limits import WorkerLimits as Limits

WorkerKindType = described(
    WorkerKind,
    "What does the work.",
    {
        "AI": "A language model.",
        "HUMAN": "A person. A task named for one stays QUEUED until they take it.",
        "EXTERNAL": "Another system. A task named for one stays QUEUED until it fetches it.",
    },
)


@strawberry.type(description="What each task of an AI worker may take at most, whatever the task says.")
class WorkerLimits:
    max_cost_micros: BigInt | None = strawberry.field(
        description="What it may cost, in micro-credits; null where the worker sets no limit."
    )
    max_output_tokens: int | None = strawberry.field(
        description="How long its output may be, in tokens; null where the worker sets no limit."
    )


@strawberry.type(description="Who does tasks: a configured model, a person or another system.")
class Worker(Node):
    name: str = strawberry.field(description="The name people see.")
    kind: WorkerKindType = strawberry.field(description="Model, person or system.")  # type: ignore[valid-type]
    provider: str | None = strawberry.field(
        description="For AI: openai, anthropic, huggingface, replicate, local, or a connection's name."
    )
    model: str | None = strawberry.field(description="For AI: the provider's model; null for its default.")
    capabilities: list[str] = strawberry.field(description="What it can do, such as json_schema.")
    skills: list[str] = strawberry.field(description="What it is good at, in the workspace's own words.")
    limits: WorkerLimits = strawberry.field(description="For AI: what each task may take at most.")
    enabled: bool = strawberry.field(description="Whether it takes new tasks.")
    created_at: datetime = strawberry.field(description="When it was created.")

    @classmethod
    def from_row(cls, row: Row) -> Self:
        limits = Limits.of(row)
        return cls(
            id=strawberry.ID(ids.encode(ids.WORKER, row["id"])),
            name=row["name"],
            kind=WorkerKind(row["kind"]),
            provider=row["provider"],
            model=row["model"],
            capabilities=row["capabilities"],
            skills=row["skills"],
            limits=WorkerLimits(
                max_cost_micros=BigInt(limits.max_cost_micros) if limits.max_cost_micros is not None else None,
                max_output_tokens=limits.max_output_tokens,
            ),
            enabled=row["enabled"],
            created_at=row["created_at"],
        )


@strawberry.type(description="A worker and its place in the list.")
class WorkerEdge:
    cursor: str = strawberry.field(description="Pass it as after to go on from here.")
    node: Worker = strawberry.field(description="The worker.")


@strawberry.type(description="A page of workers.")
class WorkerConnection:
    edges: list[WorkerEdge] = strawberry.field(description="The workers with their cursors.")
    nodes: list[Worker] = strawberry.field(description="The workers alone.")
    page_info: PageInfo = strawberry.field(description="Where the page lies in the list.")

    @classmethod
    def from_page(cls, page: Page) -> Self:
        nodes = [Worker.from_row(row) for row in page.rows]
        edges = [WorkerEdge(cursor=cursor, node=node) for cursor, node in zip(page.cursors, nodes, strict=True)]
        return cls(edges=edges, nodes=nodes, page_info=page.info)


@strawberry.type(description="What createWorker gives.")
class WorkerPayload:
    worker: Worker | None = strawberry.field(default=None, description="The worker; null where errors say why.")
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it did not work; else empty.")


@strawberry.input(description="What each task of an AI worker may take at most, whatever the task says.")
class WorkerLimitsInput:
    max_cost_micros: BigInt | None = strawberry.field(
        default=None, description="What it may cost: 0 to 1,000,000,000 micro-credits; a lower maxCost counts."
    )
    max_output_tokens: int | None = strawberry.field(
        default=None, description="How long its output may be: 1 to 32,768 tokens."
    )

    def to_limits(self) -> Limits:
        return Limits(self.max_cost_micros, self.max_output_tokens)


@strawberry.input(description="A worker to create.")
class CreateWorkerInput:
    name: str = strawberry.field(description="1 to 200 characters.")
    kind: WorkerKindType = strawberry.field(description="Model, person or system.")  # type: ignore[valid-type]
    provider: str | None = strawberry.field(
        default=None,
        description="For AI, and required there: openai, anthropic, huggingface, replicate or local, or the name of a "
        "connection of your own.",
    )
    model: str | None = strawberry.field(
        default=None, description="For AI: a model of the provider; null for its default."
    )
    system_prompt: str | None = strawberry.field(
        default=None, description="For AI: instructions put before every prompt, at most 8,000 characters."
    )
    parameters: strawberry.scalars.JSON | None = strawberry.field(
        default=None, description="For AI: maxOutputTokens (1 to 32,768) and temperature (0 to 2)."
    )
    limits: WorkerLimitsInput | None = strawberry.field(
        default=None, description="For AI: what each task may take at most."
    )
    capabilities: list[str] = strawberry.field(default_factory=list, description="At most 20.")
    skills: list[str] = strawberry.field(default_factory=list, description="At most 20.")
