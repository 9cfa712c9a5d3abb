"""serverInfo: the version, and every limit as a number, so that no client has to find one by hitting it."""

from importlib.metadata import version

import strawberry

from app.graphql import relay
from app.graphql.context import Info
from app.graphql.limits import CONNECTION_INIT_SECONDS, MAX_COMPARISONS, SUBSCRIPTIONS_PER_SOCKET
from app.graphql.rate_limits import RateLimits
from app.services.billing import budgets, usage
from app.services.provider.connections import MAX_CONNECTIONS
from app.services.routing import policy
from app.services.task import create, draft
from app.services.task.watch import RESUME_WINDOW
from app.services.workspace.create import MAX_WORKSPACES
from app.services.workspace.invitations import GOOD_FOR, MAX_OPEN


@strawberry.type(description="The limits of this installation.")
class Limits:
    max_body_bytes: int = strawberry.field(description="Largest body of a request, in bytes.")
    max_input_bytes: int = strawberry.field(description="Largest input of a task as JSON, in bytes.")
    max_metadata_bytes: int = strawberry.field(description="Largest metadata of a task as JSON, in bytes.")
    max_page_size: int = strawberry.field(description="Largest first or last of a connection.")
    default_page_size: int = strawberry.field(description="first where neither first nor last is given.")
    max_tasks_per_batch: int = strawberry.field(description="Most inputs of createTasks.")
    max_attempts: int = strawberry.field(description="Largest maxAttempts of a task.")
    max_tags: int = strawberry.field(description="Most tags of a task.")
    running_tasks_per_workspace: int = strawberry.field(description="Most tasks of a workspace that run at once.")
    subscriptions_per_socket: int = strawberry.field(description="Most operations on one WebSocket at once.")
    connection_init_seconds: int = strawberry.field(description="Time for connection_init on a WebSocket, in seconds.")
    resume_window_hours: int = strawberry.field(description="How long a taskEvents cursor can be resumed, in hours.")
    max_query_tokens: int = strawberry.field(description="Most tokens in a document.")
    max_query_depth: int = strawberry.field(description="Most levels of fields in an operation.")
    max_query_aliases: int = strawberry.field(description="Most aliases in an operation, its fragments included.")
    max_query_spreads: int = strawberry.field(description="Most fragment spreads in an operation.")
    max_query_directives: int = strawberry.field(description="Most directives in an operation.")
    max_query_cost: int = strawberry.field(
        description="Highest cost of an operation: 1 for each object, times the page's rows; 10 for a mutation."
    )
    max_query_comparisons: int = strawberry.field(
        description="Most comparisons that it may take to see whether fields which are selected repeatedly agree."
    )
    max_execution_seconds: float = strawberry.field(description="Longest time for a request over HTTP, in seconds.")
    access_token_seconds: int = strawberry.field(description="Life of an access token, in seconds.")
    max_workspaces_per_person: int = strawberry.field(description="Most workspaces that a person can belong to.")
    max_open_invitations: int = strawberry.field(description="Most open invitations to a workspace.")
    max_provider_connections: int = strawberry.field(
        description="Most connections of its own to AI providers that a workspace can have."
    )
    private_endpoints_allowed: bool = strawberry.field(
        description="Whether servers of a workspace's own may be at private addresses, and without https."
    )
    invitation_days: int = strawberry.field(description="How long an invitation can be accepted, in days.")
    max_usage_days: int = strawberry.field(description="Longest period of usage, in days.")
    max_usage_rows: int = strawberry.field(description="Most rows of usage.")
    max_budgets: int = strawberry.field(description="Most budgets of a workspace.")
    max_policy_models: int = strawberry.field(description="Most models of a routing policy.")


@strawberry.type(description="What is running here.")
class ServerInfo:
    version: str = strawberry.field(description="Version of the service.")
    providers: list[str] = strawberry.field(description="The AI providers that are configured.")
    trusted_documents_only: bool = strawberry.field(
        description="Whether only documents are executed that the installation's operator has added beforehand."
    )
    limits: Limits = strawberry.field(description="Every limit, as a number.")
    rate_limits: RateLimits = strawberry.field(description="How much may be asked for in which time.")


@strawberry.type
class ServerInfoQueries:
    @strawberry.field(description="Version and limits; needs no login.")
    def server_info(self, info: Info) -> ServerInfo:
        settings = info.context.resources.settings
        limits = Limits(
            max_body_bytes=settings.bizq_max_body_bytes,
            max_input_bytes=settings.bizq_max_input_bytes,
            max_metadata_bytes=draft.MAX_METADATA_BYTES,
            max_page_size=relay.MAX_PAGE,
            default_page_size=relay.DEFAULT_PAGE,
            max_tasks_per_batch=create.MAX_BATCH,
            max_attempts=draft.MAX_ATTEMPTS,
            max_tags=draft.MAX_TAGS,
            running_tasks_per_workspace=settings.bizq_workspace_concurrency,
            subscriptions_per_socket=SUBSCRIPTIONS_PER_SOCKET,
            connection_init_seconds=CONNECTION_INIT_SECONDS,
            resume_window_hours=int(RESUME_WINDOW.total_seconds() // 3600),
            max_query_tokens=settings.bizq_max_query_tokens,
            max_query_depth=settings.bizq_max_query_depth,
            max_query_aliases=settings.bizq_max_query_aliases,
            max_query_spreads=settings.bizq_max_query_spreads,
            max_query_directives=settings.bizq_max_query_directives,
            max_query_cost=settings.bizq_max_query_cost,
            max_query_comparisons=MAX_COMPARISONS,
            max_execution_seconds=settings.bizq_max_execution_seconds,
            access_token_seconds=settings.bizq_token_seconds,
            max_workspaces_per_person=MAX_WORKSPACES,
            max_open_invitations=MAX_OPEN,
            max_provider_connections=MAX_CONNECTIONS,
            private_endpoints_allowed=settings.bizq_allow_private_endpoints,
            invitation_days=GOOD_FOR.days,
            max_usage_days=usage.MAX_DAYS,
            max_usage_rows=usage.MAX_ROWS,
            max_budgets=budgets.MAX_BUDGETS,
            max_policy_models=policy.MAX_MODELS,
        )
        return ServerInfo(
            version=version("bizq"),
            providers=list(info.context.resources.intake.router.models),
            trusted_documents_only=settings.bizq_trusted_only,
            limits=limits,
            rate_limits=RateLimits.of(settings),
        )
