"""What is said about a workspace's own connections to providers."""

import strawberry

from app.graphql.provider.types import ProviderKindType
from app.services.provider.draft import ConnectionValues

_KEY = "8 to 500 characters, kept encrypted and never shown again."
_URL = "For a server of your own: its address, as a rule with /v1. https, and in the public internet."


@strawberry.input(description="A connection to an AI provider.")
class CreateProviderConnectionInput:
    provider: ProviderKindType = strawberry.field(description="Whom it leads to.")  # type: ignore[valid-type]
    name: str = strawberry.field(
        description="What it is called where a model is named: 1 to 40 lower-case letters, digits and hyphens, a "
        "letter first. It stays."
    )
    api_key: str | None = strawberry.field(
        default=None, description=f"Your key: {_KEY} A server of your own may need none."
    )
    base_url: str | None = strawberry.field(default=None, description=_URL)
    model: str | None = strawberry.field(
        default=None,
        description="The model for tasks that name none. A server of your own needs it; for a vendor, null means the "
        "one that it has here otherwise.",
    )
    context_tokens: int | None = strawberry.field(
        default=None, description="For a server of your own: what its model reads and writes together; default 8192."
    )
    max_output_tokens: int | None = strawberry.field(
        default=None, description="For a server of your own: what its model writes at most; default 4096."
    )
    enabled: bool | None = strawberry.field(default=None, description="Whether tasks go through it; default true.")

    def to_values(self) -> ConnectionValues:
        return ConnectionValues(
            self.api_key, self.base_url, self.model, self.context_tokens, self.max_output_tokens, self.enabled
        )


@strawberry.input(description="What is to change of a connection. Null leaves a value as it is.")
class UpdateProviderConnectionInput:
    id: strawberry.ID = strawberry.field(description="The id of the connection.")
    api_key: str | None = strawberry.field(default=None, description=f"Another key: {_KEY}")
    base_url: str | None = strawberry.field(
        default=None, description=f"{_URL} Where there is a key, it has to be given once more for another address."
    )
    model: str | None = strawberry.field(default=None, description="The model for tasks that name none.")
    context_tokens: int | None = strawberry.field(
        default=None, description="For a server of your own: what its model reads and writes together."
    )
    max_output_tokens: int | None = strawberry.field(
        default=None, description="For a server of your own: what its model writes at most."
    )
    enabled: bool | None = strawberry.field(default=None, description="Whether tasks go through it.")

    def to_values(self) -> ConnectionValues:
        return ConnectionValues(
            self.api_key, self.base_url, self.model, self.context_tokens, self.max_output_tokens, self.enabled
        )
