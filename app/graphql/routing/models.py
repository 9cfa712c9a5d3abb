"""Fields of Query about the models that tasks can be given to."""

from typing import Self

import strawberry

from app.graphql.context import Info
from app.graphql.scalars import BigInt
from app.models.ai_model import ANY_MODEL
from app.services.routing.catalogue import Model as CatalogueModel


@strawberry.type(description="A model that tasks can be given to, with what it can do and costs.")
class Model:
    provider: str = strawberry.field(description="Who serves it, such as openai.")
    name: str = strawberry.field(
        description="Its name there; * stands for every model of the provider that is not listed."
    )
    aliases: list[str] = strawberry.field(description="Other names that mean it, or its provider's own model for *.")
    context_tokens: int = strawberry.field(description="How many tokens it takes, input and output together.")
    max_output_tokens: int = strawberry.field(description="How many tokens it gives at most.")
    capabilities: list[str] = strawberry.field(description="What it can do: chat, json_schema, vision, tools.")
    input_price_micros: BigInt = strawberry.field(
        description="Price of input, in micro-credits per million tokens, as the two below."
    )
    output_price_micros: BigInt = strawberry.field(description="Price of output.")
    cached_input_price_micros: BigInt = strawberry.field(description="Price of input that the provider had cached.")
    configured: bool = strawberry.field(description="Whether this installation has access to the provider.")

    @classmethod
    def of(cls, model: CatalogueModel, *, configured: bool) -> Self:
        return cls(
            provider=model.provider,
            name=model.name,
            aliases=list(model.aliases),
            context_tokens=model.context_tokens,
            max_output_tokens=model.max_output_tokens,
            capabilities=sorted(model.capabilities),
            input_price_micros=BigInt(model.price.input),
            output_price_micros=BigInt(model.price.output),
            cached_input_price_micros=BigInt(model.price.cached_input),
            configured=configured,
        )


@strawberry.type
class ModelQueries:
    @strawberry.field(
        description="The catalogue: every enabled model and its present prices, by provider and name, with those named "
        f"{ANY_MODEL} first. What a task was accepted for keeps its price; quoteTask tells it."
    )
    async def models(self, info: Info) -> list[Model]:
        here = await info.context.resources.intake.router.installation()
        return [
            Model.of(model, configured=model.provider in here.models)
            for model in here.catalogue.models
            if model.enabled
        ]
