"""The models that there are: found by name, alias or the stack document's table, each with its price."""

import re
import time
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from sqlalchemy import select
from sqlalchemy.ext.asyncio import AsyncEngine

from app.models import AIModel
from app.models.ai_model import ANY_MODEL
from app.services.billing.price import Price

# The stack document's table: what a class of tasks is done with. The names are of their time; the catalogue knows
# them as aliases of today's models.
CELLS: Mapping[str, Mapping[str, str]] = {
    "content_generation": {"primary": "gpt-4-turbo", "fallback": "claude-3-opus", "budget": "llama-3-70b"},
    "code_generation": {"primary": "claude-3-opus", "fallback": "gpt-4", "budget": "codellama-34b"},
    "simple_tasks": {"primary": "gpt-3.5-turbo", "fallback": "claude-instant", "budget": "mistral-7b"},
}
TIERS = ("primary", "fallback", "budget")
# An operator's change of the catalogue counts after this time at the latest.
STALE_SECONDS = 2.0
_MAX_SUCCESSORS = 10
_SNAPSHOT_DATE = re.compile(r"-(\d{8}|\d{4}-\d{2}-\d{2})$")
_COLUMNS = AIModel.__table__.c  # type: ignore[attr-defined]


@dataclass(frozen=True, slots=True)
class Model:
    """One model of one provider. Sizes are in tokens."""

    provider: str
    name: str
    context_tokens: int
    max_output_tokens: int
    capabilities: frozenset[str]
    price: Price
    aliases: tuple[str, ...] = ()
    successor: str | None = None
    enabled: bool = True

    @property
    def ref(self) -> str:
        return f"{self.provider}/{self.name}"


class Catalogue:
    """All rows, as they were when it was read."""

    def __init__(self, models: Iterable[Model]) -> None:
        self.models: Sequence[Model] = tuple(models)
        self._by_ref = {model.ref: model for model in self.models}

    def of(self, provider: str, name: str) -> Model | None:
        """A provider's model: its own row, that of its undated name, or what the provider has for any other.

        A model that is not enabled is replaced by its successor; None where that leads nowhere.
        """
        known = self._by_ref.get(f"{provider}/{name}") or self._by_ref.get(f"{provider}/{_undated(name)}")
        model = known or self._by_ref.get(f"{provider}/{ANY_MODEL}")
        for _ in range(_MAX_SUCCESSORS):
            if model is None or model.enabled:
                break
            model = self._by_ref.get(f"{provider}/{model.successor}") if model.successor else None
        else:
            return None
        if model is None:
            return None
        # A dated snapshot, like a model without a row, is asked for by the name that it was given.
        return replace(model, name=name) if model.name in (ANY_MODEL, _undated(name)) else model

    def find(self, name: str, defaults: Mapping[str, str]) -> list[Model]:
        """What a name means: `provider/model`, a model, or an alias, which several may serve: the cheapest goes first.

        `defaults` are the configured providers' own models: an alias of a provider's "any model" means that one.
        """
        provider, slash, rest = name.partition("/")
        if slash and provider in {model.provider for model in self.models}:
            model = self.of(provider, rest)
            return [model] if model is not None else []
        exact = [model for model in self.models if model.name == name or _undated(name) == model.name]
        found = exact or sorted((model for model in self.models if name in model.aliases), key=_cheapest_first)
        named = [(each.provider, self._name_for(each, name, defaults)) for each in found]
        return [model for model in (self.of(*pair) for pair in named) if model is not None]

    def _name_for(self, model: Model, name: str, defaults: Mapping[str, str]) -> str:
        if model.name == ANY_MODEL:
            return defaults.get(model.provider, name)
        return name if _undated(name) == model.name else model.name


class Models:
    """The catalogue for a process, read again when it is older than STALE_SECONDS."""

    def __init__(self, engine: AsyncEngine) -> None:
        self._engine = engine
        self._catalogue: Catalogue | None = None
        self._read_at = 0.0

    async def current(self) -> Catalogue:
        if self._catalogue is None or time.monotonic() - self._read_at > STALE_SECONDS:
            # Before the answer: who asks meanwhile goes on with what there is, if anything.
            self._read_at = time.monotonic()
            self._catalogue = await read_catalogue(self._engine)
        return self._catalogue


async def read_catalogue(engine: AsyncEngine) -> Catalogue:
    async with engine.connect() as connection:
        rows = (await connection.execute(select(*_COLUMNS).order_by(_COLUMNS.provider, _COLUMNS.name))).mappings()
        return Catalogue(
            Model(
                provider=row["provider"],
                name=row["name"],
                context_tokens=row["context_tokens"],
                max_output_tokens=row["max_output_tokens"],
                capabilities=frozenset(row["capabilities"]),
                price=Price(row["input_price"], row["output_price"], row["cached_input_price"]),
                aliases=tuple(row["aliases"]),
                successor=row["successor"],
                enabled=row["enabled"],
            )
            for row in rows
        )


def _cheapest_first(model: Model) -> tuple[int, int, str]:
    return model.price.output, model.price.input, model.ref


def _undated(name: str) -> str:
    return _SNAPSHOT_DATE.sub("", name)
