"""The routing policy: what a workspace wants of the choice of models."""

from datetime import datetime
from typing import Annotated, Self

import strawberry

from app.db.hot import Row
from app.graphql.context import Info
from app.graphql.errors import PayloadErrors, UserError
from app.services.routing.policy import MAX_MODELS
from app.services.routing.set_policy import Cell, PolicyDraft, policy_of_workspace, set_policy


@strawberry.type(description="An entry of the table of model classes that the workspace has replaced.")
class RoutingCell:
    model_class: str = strawberry.field(description="content_generation, code_generation or simple_tasks.")
    tier: str = strawberry.field(description="primary, fallback or budget.")
    model: str = strawberry.field(description="What is used there: provider/model, a model's name or an alias.")


@strawberry.type(
    description="What the workspace wants of routing. It goes before templates and rules; a task's own model or worker "
    "goes before it."
)
class RoutingPolicy:
    models: list[str] = strawberry.field(description="Models to prefer, in this order; empty for none.")
    cells: list[RoutingCell] = strawberry.field(description="Replaced entries of the table of model classes.")
    providers: list[str] = strawberry.field(description="The only AI providers to use; empty for any.")
    changed_at: datetime | None = strawberry.field(description="When it was set last; null where it never was.")

    @classmethod
    def from_row(cls, row: Row | None) -> Self:
        if row is None:
            return cls(models=[], cells=[], providers=[], changed_at=None)
        cells = [_cell(place, model) for place, model in sorted(row["cells"].items())]
        return cls(models=row["models"], cells=cells, providers=row["providers"], changed_at=row["changed_at"])


def _cell(place: str, model: str) -> RoutingCell:
    model_class, _, tier = place.partition("/")
    return RoutingCell(model_class=model_class, tier=tier, model=model)


@strawberry.input(description="An entry of the table of model classes to replace.")
class RoutingCellInput:
    model_class: str = strawberry.field(description="content_generation, code_generation or simple_tasks.")
    tier: str = strawberry.field(description="primary, fallback or budget.")
    model: str = strawberry.field(description="What to use there: provider/model, a model's name or an alias.")


@strawberry.input(description="A routing policy. It takes the place of the whole one before: what is left out is gone.")
class SetRoutingPolicyInput:
    models: list[str] = strawberry.field(
        default_factory=list,
        description=f"Models to prefer, in this order, at most {MAX_MODELS}: provider/model, a model's name or "
        "an alias.",
    )
    cells: list[RoutingCellInput] = strawberry.field(
        default_factory=list, description="Entries of the table of model classes to replace."
    )
    providers: list[str] = strawberry.field(
        default_factory=list, description="The only AI providers to use, such as local; none for any."
    )


@strawberry.type(description="The answer to setRoutingPolicy.")
class RoutingPolicyPayload:
    routing_policy: RoutingPolicy | None = strawberry.field(
        default=None, description="The policy; null where it was not set."
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it did not work; else empty.")


@strawberry.type
class RoutingQueries:
    @strawberry.field(description="What the workspace wants of routing; empty where it has set nothing.")
    async def routing_policy(self, info: Info) -> RoutingPolicy:
        return RoutingPolicy.from_row(await info.context.reader.row(policy_of_workspace()))


@strawberry.type
class RoutingMutations:
    @strawberry.mutation(
        description="Say which models and providers this workspace's tasks are given to, from the next task on. For "
        "owners and admins. PROVIDER_UNAVAILABLE: by this policy no task could run on this installation.",
        extensions=[PayloadErrors("input")],
    )
    async def set_routing_policy(
        self, info: Info, input: Annotated[SetRoutingPolicyInput, strawberry.argument(description="The policy.")]
    ) -> RoutingPolicyPayload:
        cells = [Cell(cell.model_class, cell.tier, cell.model) for cell in input.cells]
        here = await info.context.resources.intake.router.installation()
        async with info.context.unit_of_work() as uow:
            row = await set_policy(uow, PolicyDraft(input.models, cells, input.providers), here)
        return RoutingPolicyPayload(routing_policy=RoutingPolicy.from_row(row))
