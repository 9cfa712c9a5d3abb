"""What a workspace brings itself: keys of vendors, which take the place of the installation's, and servers of its own.

A connection is named in the place of a provider, as `name/model`, or alone for its own model. Of several for one vendor
the oldest is the one that takes the installation's place; the others are used where they are named.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from app.models import ProviderKind
from app.services.billing.price import FREE
from app.services.routing.catalogue import Catalogue, Model
from app.services.routing.configured import DEFAULT_MODELS

# What servers that speak OpenAI's chat completions do today. What they answer is checked all the same.
_CAPABILITIES = frozenset({"chat", "json_schema"})


@dataclass(frozen=True, slots=True)
class OwnConnection:
    """One that is enabled. A server has a model and its sizes, in tokens; a vendor's key perhaps a model."""

    id: UUID
    name: str
    kind: ProviderKind
    model: str | None = None
    context_tokens: int = 0
    max_output_tokens: int = 0

    @classmethod
    def from_json(cls, stored: Mapping[str, Any]) -> "OwnConnection":
        return cls(
            UUID(stored["id"]),
            stored["name"],
            ProviderKind(stored["provider"]),
            stored["model"],
            stored["context_tokens"] or 0,
            stored["max_output_tokens"] or 0,
        )

    @property
    def is_server(self) -> bool:
        return self.kind is ProviderKind.OPENAI_COMPATIBLE


@dataclass(frozen=True, slots=True)
class OwnConnections:
    """Those of one workspace, the oldest first. They cost no credits: whoever runs the model bills the workspace."""

    connections: Sequence[OwnConnection] = ()

    @property
    def servers(self) -> Sequence[OwnConnection]:
        return [each for each in self.connections if each.is_server]

    def named(self, name: str) -> OwnConnection | None:
        return next((each for each in self.connections if each.name == name), None)

    def instead_of(self, provider: str) -> OwnConnection | None:
        """The key that takes the place of the installation's."""
        return next((each for each in self.connections if not each.is_server and each.kind == provider), None)

    def models(self, installed: Mapping[str, str]) -> dict[str, str]:
        """As Installation has them, by provider and also by connection."""
        models = dict(installed)
        for each in self.connections:
            models[each.name] = each.model or installed.get(each.kind) or DEFAULT_MODELS[each.kind]
        for kind in (ProviderKind.OPENAI, ProviderKind.ANTHROPIC):
            key = self.instead_of(kind)
            if key is not None:
                models[kind] = models[key.name]
        return models

    def fixed(self) -> frozenset[str]:
        """Vendors whose model the workspace has named."""
        keys = [self.instead_of(kind) for kind in ProviderKind]
        return frozenset(key.kind for key in keys if key is not None and key.model is not None)

    def model_of(self, connection: OwnConnection, name: str, catalogue: Catalogue) -> Model | None:
        """Any model of a vendor, as the catalogue has it; of a server any name, with the sizes that it said."""
        if not connection.is_server:
            return catalogue.of(connection.kind, name)
        sizes = (connection.context_tokens, connection.max_output_tokens)
        return Model(connection.kind, name, *sizes, _CAPABILITIES, FREE)
