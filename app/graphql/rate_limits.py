"""serverInfo.rateLimits: how many points there are, and of whom."""

import strawberry

from app.services.limit.budget import WORKSPACE_CALLERS
from app.settings import Settings


@strawberry.type(description="What a plan gives.")
class PlanRate:
    plan: str = strawberry.field(description="The plan's name, as in Workspace.plan.")
    points: int = strawberry.field(description="Most points of an API key, or of a person in a workspace.")
    workspace_points: int = strawberry.field(description="Most points of the workspace, all its callers together.")


@strawberry.type(
    description="How much may be asked for in which time. An operation costs a point for every 10 of its cost, and 1 "
    "at least; cost is 1 for each object, times the rows of a page, and 10 for a mutation. Points are taken before it "
    "runs; what there was less than asked for is given back. They come back evenly. extensions.cost of each answer "
    "says what it took and what is left. 0 means no limit."
)
class RateLimits:
    points: int = strawberry.field(description="Most points of a caller, multiplied by their plan.")
    seconds: int = strawberry.field(description="Time in which all points come back, in seconds.")
    plans: list[PlanRate] = strawberry.field(description="What each plan gives; a plan that is not here gives points.")
    anonymous_points: int = strawberry.field(description="Most points of an address, for callers who do not say who.")
    sign_ups_per_hour: int = strawberry.field(description="Most calls of signUp from an address.")
    sign_ins_per_minute: int = strawberry.field(description="Most calls of signIn from an address.")
    refreshes_per_minute: int = strawberry.field(description="Most calls of refreshSession from an address.")

    @classmethod
    def of(cls, settings: Settings) -> "RateLimits":
        points = settings.bizq_rate_points
        return cls(
            points=points,
            seconds=settings.bizq_rate_seconds,
            plans=[
                PlanRate(plan=plan, points=points * factor, workspace_points=points * factor * WORKSPACE_CALLERS)
                for plan, factor in settings.bizq_rate_plans.items()
            ],
            anonymous_points=settings.bizq_rate_anonymous_points if points else 0,
            sign_ups_per_hour=settings.bizq_sign_ups_per_hour,
            sign_ins_per_minute=settings.bizq_sign_ins_per_minute,
            refreshes_per_minute=settings.bizq_refreshes_per_minute,
        )
