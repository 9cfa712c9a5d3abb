"""Fields of Mutation about API keys."""

from datetime import datetime
from typing import Annotated

import strawberry

from app.graphql.account.types import ApiKey, ApiKeyPayload
from app.graphql.context import Info
from app.graphql.errors import PayloadErrors
from app.services.account.create_api_key import ApiKeyDraft, create_api_key
from app.services.account.revoke_api_key import revoke_api_key


@strawberry.input(description="An API key to create.")
class CreateApiKeyInput:
    name: str = strawberry.field(description="What the key is for; 1 to 100 characters.")
    scopes: list[str] | None = strawberry.field(
        default=None,
        description="Permissions, such as task:read: yours or fewer of them. Null for all that you may do.",
    )
    expires_at: datetime | None = strawberry.field(
        default=None, description="When it stops working; null for not until it is revoked."
    )


@strawberry.type
class ApiKeyMutations:
    @strawberry.mutation(
        description="Create an API key of this workspace. For owners and admins. MFA_REQUIRED: call stepUp first.",
        extensions=[PayloadErrors("input")],
    )
    async def create_api_key(
        self, info: Info, input: Annotated[CreateApiKeyInput, strawberry.argument(description="The API key.")]
    ) -> ApiKeyPayload:
        draft = ApiKeyDraft(input.name, input.scopes, input.expires_at)
        async with info.context.unit_of_work() as uow:
            created = await create_api_key(uow, draft)
        return ApiKeyPayload(api_key=ApiKey.from_row(created.row), secret=created.secret)

    @strawberry.mutation(
        description="End an API key of this workspace, within a second and for good. For owners and admins. "
        "MFA_REQUIRED: call stepUp first.",
        extensions=[PayloadErrors()],
    )
    async def revoke_api_key(
        self, info: Info, id: Annotated[strawberry.ID, strawberry.argument(description="The id of the API key.")]
    ) -> ApiKeyPayload:
        async with info.context.unit_of_work() as uow:
            revoked = await revoke_api_key(uow, id)
        return ApiKeyPayload(api_key=ApiKey.from_row(revoked))
