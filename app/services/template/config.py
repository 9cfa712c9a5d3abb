"""A template's config: what its tasks say to a model, and what they ask of routing."""

from typing import Any

from app.errors import InvalidInput
from app.services.routing.catalogue import CELLS, TIERS
from app.services.worker.create import check_parameters

# A thousand credits: a task's ceiling is a credit where nobody asks for more.
MAX_PRICE_MICROS = 1_000_000_000
_ROUTING = ("modelClass", "tier", "priceMicros")


def check_config(config: Any) -> None:
    """`modelClass` and `tier` choose from the table of models, `priceMicros` is what a task usually costs; the rest are
    parameters of the model. Raises InvalidInput naming the key."""
    if not isinstance(config, dict):
        raise InvalidInput("config is a JSON object.", ("config",))
    check_parameters({name: value for name, value in config.items() if name not in _ROUTING}, "config", *_ROUTING)
    for name, known in (("modelClass", tuple(CELLS)), ("tier", TIERS)):
        if name in config and config[name] not in known:
            raise InvalidInput(f"{name} is one of {', '.join(known)}.", ("config", name))
    if "tier" in config and "modelClass" not in config:
        raise InvalidInput("tier chooses within a modelClass: give that too.", ("config", "tier"))
    price = config.get("priceMicros", 0)
    if not isinstance(price, int) or isinstance(price, bool) or not 0 <= price <= MAX_PRICE_MICROS:
        raise InvalidInput(f"priceMicros is a whole number from 0 to {MAX_PRICE_MICROS}.", ("config", "priceMicros"))
