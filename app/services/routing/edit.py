"""Changes of the catalogue of models, by whoever operates the installation. Works as the tables' owner.

Every process reads the catalogue again within two seconds; what has been accepted keeps the terms it was accepted on.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sqlalchemy import RowMapping, func, select, text
from sqlalchemy.dialects import postgresql as pg
from sqlalchemy.ext.asyncio import AsyncConnection, AsyncEngine

from app.errors import Conflict, InvalidInput
from app.models import AIModel
from app.models.ai_model import ANY_MODEL, CAPABILITIES
from app.settings import PROVIDERS

MAX_NAME_LENGTH = 200
MAX_ALIASES = 20
# A credit for each token; the prices of the day are a thousandth of a percent of it.
MAX_PRICE = 10**12
MAX_TOKENS = 100_000_000
_MODEL = AIModel.__table__  # type: ignore[attr-defined]
# Each change is checked against all others.
_TAKE_TURN = text("LOCK TABLE ai_models IN SHARE ROW EXCLUSIVE MODE")
_REQUIRED = {
    "input_price": "input-price", "output_price": "output-price", "context_tokens": "context",
    "max_output_tokens": "max-output",
}  # fmt: skip
Rows = Mapping[tuple[str, str], RowMapping]


@dataclass(frozen=True, slots=True)
class ModelChange:
    """What is None stays as it is. An empty `successor`, or an empty alias, takes what there was away.

    Prices are micro-credits per million tokens, sizes tokens.
    """

    provider: str
    name: str
    input_price: int | None = None
    output_price: int | None = None
    cached_input_price: int | None = None
    context_tokens: int | None = None
    max_output_tokens: int | None = None
    capabilities: Sequence[str] | None = None
    aliases: Sequence[str] | None = None
    successor: str | None = None
    enabled: bool | None = None


async def list_models(engine: AsyncEngine) -> Sequence[RowMapping]:
    """Every row, by provider and name."""
    async with engine.connect() as connection:
        return list((await _read(connection)).values())


async def set_model(engine: AsyncEngine, change: ModelChange) -> RowMapping:
    """The row after it, which may be new. Raises InvalidInput or Conflict naming the option."""
    async with engine.begin() as connection:
        await connection.execute(_TAKE_TURN)
        rows = await _read(connection)
        before = rows.get((change.provider, change.name))
        values = _values(change)
        if before is None:
            values = _as_new(change, values)
        elif not values:
            raise InvalidInput("Give at least one option that changes something, such as --output-price 400000.")
        after = {**(before or {}), **values}
        _check(after)
        _check_aliases(rows, after)
        _check_successor(rows, after)
        statement = (
            pg.insert(_MODEL)
            .values(**after)
            .on_conflict_do_update(index_elements=["provider", "name"], set_={**values, "changed_at": func.now()})
            .returning(*_MODEL.c)
        )
        return (await connection.execute(statement)).mappings().one()


async def _read(connection: AsyncConnection) -> Rows:
    rows = await connection.execute(select(*_MODEL.c).order_by(_MODEL.c.provider, _MODEL.c.name))
    return {(row["provider"], row["name"]): row for row in rows.mappings()}


def _values(change: ModelChange) -> dict[str, Any]:
    given: dict[str, Any] = {
        "input_price": change.input_price,
        "output_price": change.output_price,
        "cached_input_price": change.cached_input_price,
        "context_tokens": change.context_tokens,
        "max_output_tokens": change.max_output_tokens,
        "capabilities": list(dict.fromkeys(change.capabilities)) if change.capabilities else None,
        "aliases": list(dict.fromkeys(filter(None, change.aliases))) if change.aliases else None,
        "enabled": change.enabled,
    }
    values = {name: value for name, value in given.items() if value is not None}
    return values if change.successor is None else {**values, "successor": change.successor or None}


def _as_new(change: ModelChange, values: Mapping[str, Any]) -> dict[str, Any]:
    if change.provider not in PROVIDERS:
        raise InvalidInput(f"provider is one of {', '.join(PROVIDERS)}, not {change.provider}.", ("provider",))
    if not 1 <= len(change.name) <= MAX_NAME_LENGTH or not change.name.isprintable() or " " in change.name:
        raise InvalidInput(f"name has 1 to {MAX_NAME_LENGTH} characters, without white space.", ("name",))
    missing = [option for column, option in _REQUIRED.items() if column not in values]
    if missing:
        options = ", ".join(f"--{option}" for option in missing)
        raise InvalidInput(
            f"{change.provider}/{change.name} is not in the catalogue: to add it, give {options} too.", (missing[0],)
        )
    # Nothing runs below its cost: cached input costs what input does, until somebody says less.
    plain = {"cached_input_price": values["input_price"], "capabilities": ["chat"], "aliases": [], "enabled": True}
    return {"provider": change.provider, "name": change.name, "successor": None, **plain, **values}


def _check(row: Mapping[str, Any]) -> None:
    for column in ("input_price", "output_price", "cached_input_price"):
        if not 0 <= row[column] <= MAX_PRICE:
            option = column.replace("_", "-")
            raise InvalidInput(f"{option} is 0 to {MAX_PRICE} micro-credits per million tokens.", (option,))
    for column, option in (("context_tokens", "context"), ("max_output_tokens", "max-output")):
        if not 1 <= row[column] <= MAX_TOKENS:
            raise InvalidInput(f"{option} is 1 to {MAX_TOKENS} tokens.", (option,))
    if row["max_output_tokens"] > row["context_tokens"]:
        message = f"max-output is {row['max_output_tokens']}, more than the context of {row['context_tokens']} tokens."
        raise InvalidInput(message, ("max-output",))
    for capability in row["capabilities"]:
        if capability not in CAPABILITIES:
            raise InvalidInput(f"capability is one of {', '.join(CAPABILITIES)}, not {capability}.", ("capability",))


def _check_aliases(rows: Rows, row: Mapping[Any, Any]) -> None:
    """A name is looked for among names first, and then among the aliases of all providers: an alias that could not be
    found, or of which one provider has two, says what was not meant."""
    if len(row["aliases"]) > MAX_ALIASES:
        raise InvalidInput(f"{len(row['aliases'])} aliases; the limit is {MAX_ALIASES}.", ("alias",))
    others: list[Mapping[Any, Any]] = [other for key, other in rows.items() if key != (row["provider"], row["name"])]
    for alias in row["aliases"]:
        if len(alias) > MAX_NAME_LENGTH or not alias.isprintable() or " " in alias or alias == ANY_MODEL:
            raise InvalidInput(f"An alias has 1 to {MAX_NAME_LENGTH} characters, without white space.", ("alias",))
        if alias.partition("/")[0] in PROVIDERS and "/" in alias:
            raise InvalidInput(f"{alias} reads as a provider and its model, so it cannot be an alias.", ("alias",))
        for other in [*others, row]:
            ref = f"{other['provider']}/{other['name']}"
            if other["name"] == alias:
                raise Conflict(f"{alias} is the name of {ref}, which is found before any alias.", ("alias",))
            if other is not row and other["provider"] == row["provider"] and alias in other["aliases"]:
                raise Conflict(
                    f"{alias} is an alias of {ref} already, and within a provider it means one model. Take it away "
                    "there first: set that model with its other aliases alone.",
                    ("alias",),
                )
    for other in others:
        if row["name"] in other["aliases"]:
            ref = f"{other['provider']}/{other['name']}"
            raise Conflict(f"{row['name']} is an alias of {ref}, which would not be found any more.", ("name",))


def _check_successor(rows: Rows, row: Mapping[str, Any]) -> None:
    provider, chain = row["provider"], [row["name"]]
    following: str | None = row["successor"]
    while following is not None:
        if following in chain:
            loop = " -> ".join([*chain, following])
            raise Conflict(f"Successors would go round in a circle: {loop}.", ("successor",))
        if (provider, following) not in rows:
            raise InvalidInput(f"successor is {following}; there is no {provider}/{following}.", ("successor",))
        chain.append(following)
        following = rows[provider, following]["successor"]
