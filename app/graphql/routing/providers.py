"""Fields of Query about the AI providers, and how they are at present."""

from datetime import UTC, datetime
from typing import Self

import strawberry

from app import clock
from app.graphql.context import Info
from app.graphql.enums import described
from app.services.routing.circuit import Circuit, CircuitState

CircuitStateType = described(
    CircuitState,
    "What is done with calls of a model that has failed repeatedly.",
    {
        "OPEN": "It is not asked: tasks go to their next model, or wait.",
        "HALF_OPEN": "One call is let through, to see whether it is well again.",
    },
)


@strawberry.type(description="A model that has failed so often that it is asked with care. One that is well has none.")
class ModelCircuit:
    model: str = strawberry.field(description="The provider's name of the model.")
    state: CircuitStateType = strawberry.field(description="What is done with calls of it.")  # type: ignore[valid-type]
    reason: str = strawberry.field(description="Why its last call failed, such as overloaded or timeout.")
    since: datetime = strawberry.field(description="When it began to fail.")
    until: datetime = strawberry.field(description="When a call is let through, or was.")

    @classmethod
    def of(cls, circuit: Circuit, model: str) -> Self:
        return cls(
            model=model,
            state=circuit.state(clock.now().timestamp()),
            reason=circuit.reason,
            since=datetime.fromtimestamp(circuit.since, UTC),
            until=datetime.fromtimestamp(circuit.until, UTC),
        )


@strawberry.type(description="An AI provider that this installation has access to.")
class Provider:
    name: str = strawberry.field(description="Such as openai.")
    model: str = strawberry.field(description="The model that is used where nothing names one.")
    circuits: list[ModelCircuit] = strawberry.field(
        description="Its models that keep failing; empty while all is well."
    )
    max_concurrent_calls: int | None = strawberry.field(description="Most calls at once; null for no limit.")
    max_calls_per_minute: int | None = strawberry.field(description="Most calls in a minute; null for no limit.")

    @strawberry.field(description="Calls under way, where there is a limit; null while that is not known.")
    async def concurrent_calls(self, info: Info) -> int | None:
        if self.max_concurrent_calls is None:
            return None
        return await info.context.resources.ceilings.under_way(self.name)


@strawberry.type
class ProviderQueries:
    @strawberry.field(description="The configured AI providers, and how they are at present.")
    def providers(self, info: Info) -> list[Provider]:
        resources = info.context.resources
        circuits = [(circuit.ref.partition("/"), circuit) for circuit in resources.health.circuits()]
        return [
            Provider(
                name=name,
                model=model,
                circuits=[ModelCircuit.of(circuit, ref[2]) for ref, circuit in circuits if ref[0] == name],
                max_concurrent_calls=resources.ceilings.at_once.get(name),
                max_calls_per_minute=resources.ceilings.per_minute.get(name),
            )
            for name, model in resources.intake.router.models.items()
        ]
