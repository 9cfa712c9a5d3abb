"""Fields of Query and Mutation about a workspace's own connections to providers."""

from typing import Annotated

import strawberry

from app.graphql.account.types import SimplePayload
from app.graphql.context import Info
from app.graphql.errors import PayloadErrors
from app.graphql.provider.inputs import CreateProviderConnectionInput, UpdateProviderConnectionInput
from app.graphql.provider.types import ProviderConnection, ProviderConnectionPayload, ProviderConnectionTestPayload
from app.services.provider import connections
from app.services.provider.check import check_connection
from app.services.provider.queries import connections as all_connections

ConnectionId = Annotated[strawberry.ID, strawberry.argument(description="The id of the connection.")]


@strawberry.type
class ProviderConnectionQueries:
    @strawberry.field(
        description="The workspace's own connections to AI providers, the oldest first. For owners and admins."
    )
    async def provider_connections(self, info: Info) -> list[ProviderConnection]:
        return [ProviderConnection.from_row(row) for row in await info.context.reader.rows(all_connections())]


@strawberry.type
class ProviderConnectionMutations:
    @strawberry.mutation(
        description="Bring your own key of an AI provider, or your own server. For owners and admins. MFA_REQUIRED: "
        "call stepUp first.",
        extensions=[PayloadErrors("input")],
    )
    async def create_provider_connection(
        self,
        info: Info,
        input: Annotated[CreateProviderConnectionInput, strawberry.argument(description="The connection.")],
    ) -> ProviderConnectionPayload:
        resources, values = info.context.resources, input.to_values()
        private = resources.settings.bizq_allow_private_endpoints
        async with info.context.unit_of_work() as uow:
            row = await connections.create_connection(
                uow, resources.vault, input.provider, input.name, values, allow_private=private
            )
        return ProviderConnectionPayload(connection=ProviderConnection.from_row(row))

    @strawberry.mutation(
        description="Change one of the workspace's own connections: it counts for the next call of a model. For owners "
        "and admins. MFA_REQUIRED: call stepUp first.",
        extensions=[PayloadErrors("input")],
    )
    async def update_provider_connection(
        self,
        info: Info,
        input: Annotated[UpdateProviderConnectionInput, strawberry.argument(description="What is to change.")],
    ) -> ProviderConnectionPayload:
        resources, values = info.context.resources, input.to_values()
        private = resources.settings.bizq_allow_private_endpoints
        async with info.context.unit_of_work() as uow:
            row = await connections.update_connection(uow, resources.vault, input.id, values, allow_private=private)
        return ProviderConnectionPayload(connection=ProviderConnection.from_row(row))

    @strawberry.mutation(
        description="Delete one of the workspace's own connections, with its key. Tasks that were to go through it go "
        "on with their other models, or fail. For owners and admins. MFA_REQUIRED: call stepUp first.",
        extensions=[PayloadErrors()],
    )
    async def delete_provider_connection(self, info: Info, id: ConnectionId) -> SimplePayload:
        async with info.context.unit_of_work() as uow:
            await connections.delete_connection(uow, id)
        return SimplePayload()

    @strawberry.mutation(
        description="Ask a model something tiny through one of the workspace's own connections, also one that is "
        "disabled, and say what is wrong. Whoever runs it may bill some tokens. For owners and admins.",
        extensions=[PayloadErrors()],
    )
    async def test_provider_connection(self, info: Info, id: ConnectionId) -> ProviderConnectionTestPayload:
        resources = info.context.resources
        await info.context.close()
        tested = await check_connection(
            resources.own_providers, resources.intake.router.models, info.context.principal, id
        )
        return ProviderConnectionTestPayload(
            works=tested.reason is None,
            problem=tested.problem,
            reason=tested.reason,
            model=tested.model,
            milliseconds=tested.milliseconds,
        )
