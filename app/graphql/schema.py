"""The schema: the features' fields put together. `bizq schema` prints it."""

from strawberry.schema.config import StrawberryConfig
from strawberry.tools import merge_types

from app.graphql import permissions
from app.graphql.account.mutations import AccountMutations
from app.graphql.account.queries import AccountQueries
from app.graphql.audit.queries import AuditQueries
from app.graphql.billing.budgets import BudgetMutations, BudgetQueries
from app.graphql.billing.events import BillingEventQueries, BillingSubscriptions
from app.graphql.billing.queries import BillingQueries
from app.graphql.billing.usage import UsageQueries
from app.graphql.cost import CostReport
from app.graphql.documents import Documents
from app.graphql.errors import CreditsError, GenericError, LimitError
from app.graphql.executor import Executor
from app.graphql.node import NodeQueries
from app.graphql.planned import PlannedSchema
from app.graphql.provider.fields import ProviderConnectionMutations, ProviderConnectionQueries
from app.graphql.routing.models import ModelQueries
from app.graphql.routing.policy import RoutingMutations, RoutingQueries
from app.graphql.routing.providers import ProviderQueries
from app.graphql.scalars import SCALARS
from app.graphql.server_info import ServerInfoQueries
from app.graphql.task.mutations import TaskMutations
from app.graphql.task.queries import TaskQueries
from app.graphql.task.subscriptions import TaskSubscriptions
from app.graphql.template.mutations import TemplateMutations
from app.graphql.template.queries import TemplateQueries
from app.graphql.worker.mutations import WorkerMutations
from app.graphql.worker.queries import WorkerQueries
from app.graphql.workspace.mutations import WorkspaceMutations
from app.graphql.workspace.queries import WorkspaceQueries

Query = merge_types(
    "Query",
    (
        NodeQueries,
        AccountQueries,
        WorkspaceQueries,
        TaskQueries,
        WorkerQueries,
        TemplateQueries,
        AuditQueries,
        BillingQueries,
        ModelQueries,
        ProviderQueries,
        ProviderConnectionQueries,
        UsageQueries,
        BudgetQueries,
        BillingEventQueries,
        RoutingQueries,
        ServerInfoQueries,
    ),
)
Mutation = merge_types(
    "Mutation",
    (
        AccountMutations,
        WorkspaceMutations,
        TaskMutations,
        WorkerMutations,
        TemplateMutations,
        ProviderConnectionMutations,
        BudgetMutations,
        RoutingMutations,
    ),
)
Subscription = merge_types("Subscription", (TaskSubscriptions, BillingSubscriptions))
for root, needs, description in (
    (Query, permissions.QUERY, "Everything that can be read."),
    (
        Mutation,
        permissions.MUTATION,
        "Everything that can be changed. Expected failures are in the payload's errors.",
    ),
    (Subscription, permissions.SUBSCRIPTION, "Everything that can be watched live."),
):
    definition = root.__strawberry_definition__  # type: ignore[attr-defined]
    definition.description = description
    permissions.protect(definition.fields, needs)

schema = PlannedSchema(
    query=Query,
    mutation=Mutation,
    subscription=Subscription,
    types=[CreditsError, GenericError, LimitError],
    extensions=[
        Documents,
        CostReport,
    ],
    config=StrawberryConfig(scalar_map=SCALARS),
    execution_context_class=Executor,
)
