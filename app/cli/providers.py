"""`bizq providers`: how the AI providers are, as the processes tell each other."""

import asyncio
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Any

import typer
from rich.table import Table

from app import clock, settings
from app.cli import view
from app.cli.console import print_json
from app.errors import AppError, ErrorCode
from app.events.call_slots import CallSlots, SlotsUnavailable
from app.events.circuits import CircuitsUnavailable, SharedCircuits
from app.events.client import redis_client
from app.services.routing.circuit import Circuit
from app.services.routing.configured import configured_models
from app.services.routing.health import read_circuits
from app.settings import Settings


class NotTold(AppError):
    """Redis did not answer."""

    code = ErrorCode.INVALID_STATE


@dataclass(frozen=True, slots=True)
class ProviderView:
    """`calls` are those under way, which are counted where there is a ceiling."""

    name: str
    model: str
    circuits: list[Circuit]
    calls: int | None
    at_once: int | None
    per_minute: int | None


def providers(json: Annotated[bool, typer.Option("--json", help="Print JSON.")] = False) -> None:
    """Show the configured AI providers: which models are not asked because they keep failing, calls and ceilings.

    Example: bizq providers
    """
    found = asyncio.run(look(settings.load()))
    if json:
        print_json({"providers": [_as_json(provider) for provider in found]})
    else:
        view.print_table(_table(found))


async def look(loaded: Settings) -> list[ProviderView]:
    """Raises NotTold without Redis."""
    redis = redis_client(loaded.redis)
    try:
        circuits = read_circuits(await SharedCircuits(redis).read()).values()
        now = clock.now().timestamp()
        slots = CallSlots(redis)
        at_once, per_minute = loaded.bizq_provider_concurrency, loaded.bizq_provider_rate
        return [
            ProviderView(
                name=name,
                model=model,
                circuits=[each for each in circuits if each.ref.startswith(f"{name}/") and not each.is_forgotten(now)],
                calls=await slots.taken(name) if name in at_once else None,
                at_once=at_once.get(name),
                per_minute=per_minute.get(name),
            )
            for name, model in configured_models(loaded).items()
        ]
    except (CircuitsUnavailable, SlotsUnavailable):
        raise NotTold("Redis does not answer: `bizq doctor` tells more.") from None
    finally:
        await redis.aclose()


def _table(found: list[ProviderView]) -> Table:
    table = Table(box=None, pad_edge=False, header_style="bold")
    for name in ("PROVIDER", "MODEL", "STATE", "CALLS", "PER MINUTE"):
        table.add_column(name, justify="right" if name in ("CALLS", "PER MINUTE") else "left")
    now = clock.now().timestamp()
    for provider in found:
        states = [circuit_in_words(circuit, now) for circuit in provider.circuits] or ["well"]
        calls = f"{provider.calls} of {provider.at_once}" if provider.at_once is not None else "–"
        limit = str(provider.per_minute) if provider.per_minute is not None else "–"
        table.add_row(provider.name, view.plain(provider.model), view.plain("\n".join(states)), calls, limit)
    return table


def circuit_in_words(circuit: Circuit, now: float) -> str:
    """Such as: gpt-6-luna: OPEN (overloaded), tried again in 4 s."""
    left = circuit.until - now
    then = f"tried again in {left:.0f} s" if left > 0 else "tried with the next task"
    return f"{circuit.ref.partition('/')[2]}: {circuit.state(now)} ({circuit.reason}), {then}"


def _as_json(provider: ProviderView) -> dict[str, Any]:
    now = clock.now().timestamp()
    return {
        "name": provider.name,
        "model": provider.model,
        "circuits": [
            {
                "model": circuit.ref.partition("/")[2],
                "state": circuit.state(now),
                "reason": circuit.reason,
                "since": datetime.fromtimestamp(circuit.since, UTC).isoformat(),
                "until": datetime.fromtimestamp(circuit.until, UTC).isoformat(),
            }
            for circuit in provider.circuits
        ],
        "concurrentCalls": provider.calls,
        "maxConcurrentCalls": provider.at_once,
        "maxCallsPerMinute": provider.per_minute,
    }
