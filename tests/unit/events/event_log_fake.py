"""An event log in memory: rows become visible late and out of order, reads can fail or be held up."""

import asyncio
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field


@dataclass(frozen=True)
class Row:
    key: str
    position: tuple[int, int]


@dataclass
class FakeLog:
    """Positions are (xid, number). Only rows below `horizon`, the oldest running transaction, can be read."""

    page: int = 500
    horizon: int = 1_000_000
    rows: list[Row] = field(default_factory=list)
    reads: list[dict[str, tuple[int, int]]] = field(default_factory=list)
    failing: bool = False
    open: asyncio.Event = field(default_factory=asyncio.Event)

    def __post_init__(self) -> None:
        self.open.set()

    def append(self, key: str, count: int = 1, xid: int = 1) -> list[Row]:
        rows = [Row(key, (xid, len(self.rows) + number)) for number in range(count)]
        self.rows += rows
        return rows

    def visible(self, key: str, after: tuple[int, int]) -> list[Row]:
        rows = [r for r in self.rows if r.key == key and r.position[0] < self.horizon and r.position > after]
        return sorted(rows, key=lambda row: row.position)

    async def read(self, positions: Mapping[str, tuple[int, int]], page: int) -> list[Row]:
        self.reads.append(dict(positions))
        await self.open.wait()
        if self.failing:
            raise ConnectionError("the database is away")
        return [row for key, after in positions.items() for row in self.visible(key, after)[:page]]

    async def head(self, key: str) -> tuple[int, int]:
        if self.failing:
            raise ConnectionError("the database is away")
        return max((row.position for row in self.visible(key, (0, 0))), default=(0, 0))


class FakeHub:
    """The part of the hub that the feed uses, without Redis."""

    def __init__(self) -> None:
        self.watchers: dict[object, tuple[str, Callable[[], None]]] = {}

    async def watch(self, channel: str, notify: Callable[[], None]) -> Callable[[], None]:
        token = object()
        self.watchers[token] = (channel, notify)
        await asyncio.sleep(0)
        return lambda: self.watchers.pop(token, None) and None

    def wake(self, channel: str) -> None:
        for watched, notify in list(self.watchers.values()):
            if watched == channel:
                notify()
