"""A workspace's own connections to providers."""

from datetime import datetime
from typing import Self

import strawberry

from app import ids
from app.db.hot import Row
from app.graphql.enums import described
from app.graphql.errors import UserError
from app.models import ProviderKind

ProviderKindType = described(
    ProviderKind,
    "Whom a connection of the workspace's own leads to.",
    {
        "OPENAI": "OpenAI, with your key.",
        "ANTHROPIC": "Anthropic, with your key.",
        "OPENAI_COMPATIBLE": "A server of your own that speaks OpenAI's chat completions, such as vLLM or Ollama.",
    },
)


@strawberry.type(
    description="The workspace's own access to an AI provider. What runs through it costs no credits: whoever runs the "
    "model bills the workspace. A key for a vendor takes the place of the installation's; any connection can be named, "
    "as name/model or alone, wherever a provider and model are."
)
class ProviderConnection:
    id: strawberry.ID = strawberry.field(description="Its id.")
    name: str = strawberry.field(description="What it is called where a model is named.")
    provider: ProviderKindType = strawberry.field(description="Whom it leads to.")  # type: ignore[valid-type]
    key_ends_with: str | None = strawberry.field(
        description="The last 4 characters of its key; null where there is none, or it is shorter than 16."
    )
    base_url: str | None = strawberry.field(description="The address of a server of your own; null for vendors.")
    model: str | None = strawberry.field(
        description="The model for tasks that name none; null for the one that the provider has otherwise."
    )
    context_tokens: int | None = strawberry.field(
        description="Of a server of your own: the tokens that its model reads and writes in one request."
    )
    max_output_tokens: int | None = strawberry.field(
        description="Of a server of your own: the tokens that its model writes at most."
    )
    enabled: bool = strawberry.field(description="Whether tasks go through it.")
    created_at: datetime = strawberry.field(description="When it was created.")
    changed_at: datetime = strawberry.field(description="When it was changed last.")

    @classmethod
    def from_row(cls, row: Row) -> Self:
        return cls(
            id=strawberry.ID(ids.encode(ids.PROVIDER_CONNECTION, row["id"])),
            name=row["name"],
            provider=ProviderKind(row["provider"]),
            key_ends_with=row["key_hint"],
            base_url=row["base_url"],
            model=row["model"],
            context_tokens=row["context_tokens"],
            max_output_tokens=row["max_output_tokens"],
            enabled=row["enabled"],
            created_at=row["created_at"],
            changed_at=row["changed_at"],
        )


@strawberry.type(description="What createProviderConnection and updateProviderConnection give.")
class ProviderConnectionPayload:
    connection: ProviderConnection | None = strawberry.field(
        default=None, description="The connection; null where errors say why."
    )
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it did not work; else empty.")


@strawberry.type(description="What became of one tiny call through a connection.")
class ProviderConnectionTestPayload:
    works: bool | None = strawberry.field(
        default=None, description="Whether a model answered; null where errors say why nothing was called."
    )
    problem: str | None = strawberry.field(
        default=None, description="For people: what is wrong and what to look at; null where it works."
    )
    reason: str | None = strawberry.field(
        default=None,
        description="For programs: what is wrong in a stable word, such as authentication, connection or not_found.",
    )
    model: str | None = strawberry.field(default=None, description="The model that was asked.")
    milliseconds: int | None = strawberry.field(default=None, description="How long it took.")
    errors: list[UserError] = strawberry.field(default_factory=list, description="Why it did not work; else empty.")
