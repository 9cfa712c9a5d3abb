"""Which faults happen when, to whom and for how long: decided by the seed alone."""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum


class Kind(StrEnum):
    WORKER_KILL = "worker kill -9"
    WORKER_FREEZE = "worker SIGSTOP"
    WORKER_STOP = "worker SIGTERM"
    API_KILL = "api kill -9"
    API_FREEZE = "api SIGSTOP"
    API_STOP = "api SIGTERM"
    REDIS_KILL = "redis kill -9, back empty"
    REDIS_FLUSH = "redis FLUSHALL"
    POSTGRES_KILL = "postgres kill -9"
    CONNECTIONS_DROP = "connections dropped"
    VENDOR = "vendor fails"


# How often each comes, of 100. A process costs seconds of this machine's processors to start; the rest is cheap.
WEIGHTS = {
    Kind.WORKER_KILL: 10,
    Kind.WORKER_FREEZE: 9,
    Kind.WORKER_STOP: 4,
    Kind.API_KILL: 9,
    Kind.API_FREEZE: 8,
    Kind.API_STOP: 5,
    Kind.REDIS_KILL: 11,
    Kind.REDIS_FLUSH: 12,
    Kind.POSTGRES_KILL: 4,
    Kind.CONNECTIONS_DROP: 15,
    Kind.VENDOR: 13,
}
# Least and most seconds that a fault lasts, before what it ended is started again. A lease is 10 s.
LASTS = {
    Kind.WORKER_KILL: (0.0, 2.0),
    Kind.WORKER_FREEZE: (1.0, 12.0),
    Kind.WORKER_STOP: (0.0, 0.0),
    Kind.API_KILL: (0.0, 2.0),
    Kind.API_FREEZE: (1.0, 12.0),
    Kind.API_STOP: (0.0, 0.0),
    Kind.REDIS_KILL: (0.0, 3.0),
    Kind.POSTGRES_KILL: (0.0, 2.0),
}
# Seconds until it has started again and done some work: only then may the same target be hit again.
RECOVERS = {
    Kind.WORKER_KILL: 8.0,
    Kind.WORKER_FREEZE: 4.0,
    Kind.WORKER_STOP: 10.0,
    Kind.API_KILL: 7.0,
    Kind.API_FREEZE: 4.0,
    Kind.API_STOP: 8.0,
    Kind.REDIS_KILL: 3.0,
    Kind.REDIS_FLUSH: 1.0,
    Kind.POSTGRES_KILL: 12.0,
    Kind.CONNECTIONS_DROP: 1.0,
    Kind.VENDOR: 0.0,
}
BOTH = "both servers"
VENDOR_FAULTS = ("rate_limit", "server_error", "cut", "slow")
STEP_SECONDS = 0.25


@dataclass(frozen=True, slots=True)
class Fault:
    """`at` and `lasts` are in seconds, `at` from the first moment of the plan; `target` depends on the kind."""

    at: float
    kind: Kind
    target: str
    lasts: float


def plan(rng: random.Random, count: int, seconds: float, apis: int, workers: int) -> list[Fault]:
    """`count` faults over about `seconds`; each kind at least once where there are enough of them."""
    targets = _targets(apis, workers)
    deck = _deck(rng, count)
    free_at = dict.fromkeys((name for names in targets.values() for name in names), 0.0)
    faults: list[Fault] = []
    moments = sorted(rng.uniform(0, seconds) for _ in range(count))
    now = 0.0
    for moment in moments:
        now = max(now, moment)
        while (found := _next(rng, deck, targets, free_at, now)) is None:
            now += STEP_SECONDS
        kind, target = found
        deck.remove(kind)
        lasts = rng.uniform(*LASTS.get(kind, (0.0, 0.0)))
        free_at[target] = now + lasts + RECOVERS[kind]
        faults.append(Fault(now, kind, target, lasts))
    return faults


def _targets(apis: int, workers: int) -> dict[Kind, Sequence[str]]:
    api, worker = [f"api {n}" for n in range(apis)], [f"worker {n}" for n in range(workers)]
    return {
        Kind.WORKER_KILL: worker,
        Kind.WORKER_FREEZE: worker,
        Kind.WORKER_STOP: worker,
        Kind.API_KILL: api,
        Kind.API_FREEZE: api,
        Kind.API_STOP: api,
        Kind.REDIS_KILL: ["redis"],
        Kind.REDIS_FLUSH: ["redis"],
        Kind.POSTGRES_KILL: ["postgres"],
        Kind.CONNECTIONS_DROP: ["to postgres", "to redis", BOTH],
        Kind.VENDOR: VENDOR_FAULTS,
    }


def _deck(rng: random.Random, count: int) -> list[Kind]:
    kinds = list(Kind)
    rng.shuffle(kinds)
    rest = rng.choices(list(WEIGHTS), list(WEIGHTS.values()), k=max(0, count - len(kinds)))
    deck = kinds[:count] + rest
    rng.shuffle(deck)
    return deck


def _next(
    rng: random.Random,
    deck: Sequence[Kind],
    targets: dict[Kind, Sequence[str]],
    free_at: dict[str, float],
    now: float,
) -> tuple[Kind, str] | None:
    """The first of the deck that has a target at leisure."""
    for kind in deck:
        free = [target for target in targets[kind] if free_at[target] <= now]
        if free:
            return kind, rng.choice(free)
    return None
