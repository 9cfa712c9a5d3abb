"""What this process routes tasks by: the catalogue, the configured providers, and which of them are unwell."""

from collections.abc import Callable, Mapping

from sqlalchemy.ext.asyncio import AsyncEngine

from app.services.routing.catalogue import Models
from app.services.routing.decide import Installation


class Router:
    """`models` and `fixed` as in Installation; `unhealthy` answers from memory."""

    def __init__(
        self,
        engine: AsyncEngine,
        models: Mapping[str, str],
        fixed: frozenset[str] = frozenset(),
        unhealthy: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        self.models = models
        self._catalogue = Models(engine)
        self._fixed = fixed
        self._unhealthy = unhealthy

    async def installation(self) -> Installation:
        return Installation(await self._catalogue.current(), self.models, self._fixed, self._unhealthy())
