"""How the installation's models are, as all its processes know it, and what is asked of them by its leave only."""

import asyncio
from collections import defaultdict
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from datetime import UTC, datetime

import orjson
import structlog

from app import clock
from app.events.circuits import CIRCUITS_CHANNEL, CircuitsUnavailable, SharedCircuits
from app.events.hub import Hub
from app.providers.errors import ProviderError
from app.services.routing.circuit import Calls, Circuit, CircuitState

log = structlog.get_logger(__name__)
# News come at once; this is for those that were lost.
REFRESH_SECONDS = 2.0
# The longest that a probe keeps others from trying, if whoever made it dies.
PROBE_SECONDS = 60.0
# How soon to come again where somebody else is trying.
PROBE_PAUSE_SECONDS = 1.0


class ModelHealth:
    """One a process. What it is asked is answered from memory; without Redis each process knows only its own calls."""

    def __init__(self, shared: SharedCircuits, hub: Hub) -> None:
        self._shared = shared
        self._hub = hub
        self._calls: defaultdict[str, Calls] = defaultdict(Calls)
        self._circuits: dict[str, Circuit] = {}
        self._probing: set[str] = set()
        self._follow: asyncio.Task[None] | None = None

    async def start(self) -> None:
        await self._refresh()
        self._follow = asyncio.create_task(self._follow_news(), name="model health")

    async def stop(self) -> None:
        if self._follow is not None:
            self._follow.cancel()
            await asyncio.wait([self._follow])

    def circuits(self) -> Sequence[Circuit]:
        """Those that are not closed."""
        return [circuit for ref in self._circuits if (circuit := self._circuit(ref)) is not None]

    def unhealthy(self) -> Mapping[str, str]:
        """By "provider/model", what is wrong with it. One that is half open is to be tried."""
        now = _now()
        return {
            circuit.ref: f"it keeps failing ({circuit.reason}), since {_time(circuit.since)}"
            for circuit in self._circuits.values()
            if circuit.state(now) is CircuitState.OPEN
        }

    @asynccontextmanager
    async def call(self, ref: str) -> AsyncIterator[None]:
        """Around a call of "provider/model": its end counts. Raises ProviderError `circuit_open` instead of calling."""
        probes = await self._admit(ref)
        try:
            yield
        except ProviderError as error:
            if error.moves_on:
                await self._failed(ref, error, probes=probes)
            else:
                # It refuses, so it is well.
                await self._answered(ref, probes=probes)
            raise
        else:
            await self._answered(ref, probes=probes)
        finally:
            if ref in self._probing and probes:
                await self._free(ref)

    def _circuit(self, ref: str) -> Circuit | None:
        circuit = self._circuits.get(ref)
        return None if circuit is None or circuit.is_forgotten(_now()) else circuit

    async def _admit(self, ref: str) -> bool:
        """Whether this call is the one that tries a circuit which is half open."""
        circuit = self._circuit(ref)
        if circuit is None:
            return False
        pause = circuit.until - _now()
        if pause <= 0:
            if await self._take_probe(ref):
                return True
            pause = PROBE_PAUSE_SECONDS
        raise ProviderError(ref.partition("/")[0], "circuit_open", retryable=True, retry_after=pause)

    async def _take_probe(self, ref: str) -> bool:
        if ref in self._probing:
            return False
        self._probing.add(ref)
        try:
            taken = await self._shared.take_probe(ref, PROBE_SECONDS)
        except CircuitsUnavailable:
            taken = True
        except BaseException:
            self._probing.discard(ref)
            raise
        if not taken:
            self._probing.discard(ref)
        return taken

    async def _answered(self, ref: str, *, probes: bool) -> None:
        if not probes:
            self._calls[ref].answered(_now())
            return
        self._circuits.pop(ref, None)
        self._probing.discard(ref)
        log.info("circuit closed", model=ref)
        await self._tell(ref)

    async def _failed(self, ref: str, error: ProviderError, *, probes: bool) -> None:
        now, circuit = _now(), self._circuit(ref)
        if probes and circuit is not None:
            opened = circuit.again(error.reason, now, error.retry_after)
        elif circuit is None and self._calls[ref].failed(now):
            opened = Circuit.opened(ref, error.reason, now, error.retry_after)
        else:
            # Calls that were under way when it was opened have nothing to add.
            return
        self._circuits[ref] = opened
        self._probing.discard(ref)
        log.warning("circuit opened", model=ref, reason=error.reason, seconds=round(opened.until - now, 1))
        await self._tell(ref)

    async def _tell(self, ref: str) -> None:
        circuit = self._circuits.get(ref)
        try:
            if circuit is None:
                await self._shared.remove(ref)
            else:
                await self._shared.write(ref, orjson.dumps(circuit.as_json()))
        except CircuitsUnavailable:
            log.warning("circuit not told: redis does not answer", model=ref)

    async def _free(self, ref: str) -> None:
        """The call was broken off: it says nothing, and somebody else may try."""
        self._probing.discard(ref)
        try:
            await self._shared.free_probe(ref)
        except CircuitsUnavailable:
            log.warning("probe not freed: redis does not answer", model=ref)

    async def _follow_news(self) -> None:
        async with self._hub.listen(CIRCUITS_CHANNEL) as news:
            while not news.closed:
                await news.wait(REFRESH_SECONDS)
                await self._refresh()

    async def _refresh(self) -> None:
        try:
            found = await self._shared.read()
        except CircuitsUnavailable:
            # The hub says that Redis is away.
            return
        self._circuits = read_circuits(found)


def read_circuits(found: Mapping[str, bytes]) -> dict[str, Circuit]:
    """By "provider/model", those that are not closed, from what processes tell each other."""
    return {ref: Circuit(**orjson.loads(state)) for ref, state in found.items()}


def _now() -> float:
    return clock.now().timestamp()


def _time(seconds: float) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%H:%M:%S UTC")
