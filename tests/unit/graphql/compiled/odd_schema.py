"""A small schema with all that execution has to do, over objects whose values are often wrong.

Every value follows from a seed and from where it is, so that two executions see the same; none is kept.
"""

import asyncio
import random
from collections.abc import AsyncGenerator, AsyncIterator, Awaitable, Callable, Generator
from datetime import date
from enum import Enum
from typing import Any

import strawberry
from graphql import GraphQLError
from strawberry.schema.config import StrawberryConfig
from strawberry.types import Info

from app.graphql.scalars import SCALARS, BigInt

# How many values are mistakes, by the seed: in some worlds nothing ever goes wrong.
WRONG = (0.0, 0.01, 0.03, 0.1)


@strawberry.enum
class Colour(Enum):
    RED = "red"
    GREEN = "green"


class Clock:
    """Lets one resolver go on at a time, in an order that does not depend on how they were called."""

    def __init__(self) -> None:
        self._waiting: list[tuple[float, asyncio.Future[None]]] = []

    async def reached(self, rank: float) -> None:
        future = asyncio.get_running_loop().create_future()
        self._waiting.append((rank, future))
        await future

    def tick(self) -> bool:
        """False where nobody waits."""
        self._waiting = [entry for entry in self._waiting if not entry[1].done()]
        if self._waiting:
            min(self._waiting, key=lambda entry: entry[0])[1].set_result(None)
        return bool(self._waiting)


class Shown:
    """The same in every execution."""

    def __str__(self) -> str:
        return type(self).__name__


class Odd(Shown):
    """Its attributes are made up when they are read."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in MAKERS:
            raise AttributeError(name)
        return made(self._seed, f"{self._key}.{name}", MAKERS[name])


def odd(kind: type, seed: int, key: str) -> Any:
    thing = object.__new__(kind)
    thing._seed, thing._key = seed, key
    return thing


def made(seed: int, key: str, maker: Callable[[random.Random, int, str], Any]) -> Any:
    dice = random.Random(f"{seed}/{key}")
    if dice.random() < WRONG[seed % len(WRONG)]:
        return dice.choice(MISTAKES)(dice, seed, key)
    return maker(dice, seed, key)


def _raised(dice: random.Random, seed: int, key: str) -> Any:
    raise ValueError(f"{key} cannot be read")


class Late(Shown):
    """Awaitable, and nobody's business until somebody awaits it."""

    def __init__(self, value: Any) -> None:
        self._value = value

    def __await__(self) -> Generator[Any, Any, Any]:
        yield from asyncio.sleep(0).__await__()
        if isinstance(self._value, Exception):
            raise self._value
        return self._value


class Stream(Shown):
    """Gives its items one after the other, and may break off."""

    def __init__(self, *items: Any) -> None:
        self._items = items

    async def __aiter__(self) -> AsyncIterator[Any]:
        for item in self._items:
            await asyncio.sleep(0)
            if isinstance(item, Exception):
                raise item
            yield item


def _items(maker: Callable[..., Any]) -> Callable[..., Any]:
    return lambda dice, seed, key: [made(seed, f"{key}[{number}]", maker) for number in range(dice.randrange(4))]


def _thing(dice: random.Random, seed: int, key: str) -> Any:
    return odd(Thing, seed, key)


def _being(dice: random.Random, seed: int, key: str) -> Any:
    return odd(dice.choice((Thing, Plain)), seed, key)


def _or_none(maker: Callable[..., Any]) -> Callable[..., Any]:
    return lambda dice, seed, key: None if dice.random() < 0.2 else maker(dice, seed, key)


def _text(dice: random.Random, seed: int, key: str) -> Any:
    return dice.choice(("a", "", "Zoë", 7, True, 1.5))


def _number(dice: random.Random, seed: int, key: str) -> Any:
    return dice.choice((0, -1, 2**31 - 1, True, "12", 1.0))


MISTAKES: list[Callable[..., Any]] = [
    _raised,
    lambda *_: None,
    lambda *_: ValueError("given instead of raised"),
    lambda *_: GraphQLError("of GraphQL itself", extensions={"code": "ODD"}),
    lambda *_: object,
    lambda *_: {"a": 1},
    lambda *_: strawberry.UNSET,
    lambda *_: "text",
    lambda dice, seed, key: Stream(odd(Thing, seed, key), 1, Late("2")),
    lambda *_: Stream(1, RuntimeError("broken off")),
    lambda *_: (value for value in (1, "2")),
    lambda *_: 2**31,
    lambda *_: 1.5,
    lambda *_: float("nan"),
    lambda dice, seed, key: odd(Stranger, seed, key),
    lambda *_: [1, None],
    lambda dice, seed, key: Late(odd(Thing, seed, key)),
    lambda *_: Late(RuntimeError("found out late")),
    lambda *_: [Late(1), Late(RuntimeError("an item, late")), Late(None)],
]


@strawberry.interface
class Being:
    id: strawberry.ID
    name: str | None


@strawberry.type
class Plain(Odd, Being):
    number: int


@strawberry.type
class Stranger(Odd):
    """Of no interface, and so not to be where a Being is."""

    id: strawberry.ID


@strawberry.input
class Wanted:
    text: str = "some"
    colours: list[Colour] = strawberry.field(default_factory=list)
    more: "Wanted | None" = None


async def _later(info: Info, thing: Any, name: str) -> Any:
    path = "/".join(str(key) for key in info.path.as_list())
    await info.context.reached(random.Random(f"{thing._seed}/{path}").random())
    value = made(thing._seed, f"{thing._key}.{name}", MAKERS[name])
    return await value if isinstance(value, Awaitable) else value


@strawberry.type
class Thing(Odd, Being):
    text: str
    maybe_text: str | None
    number: int
    maybe_number: int | None
    ratio: float
    flag: bool
    colour: Colour
    maybe_colour: Colour | None
    day: date
    big: BigInt
    anything: strawberry.scalars.JSON
    tags: list[str]
    maybe_tags: list[str | None] | None
    matrix: list[list[int] | None]
    child: "Thing | None"
    sure: "Thing"
    children: list["Thing"]
    maybe_children: list["Thing | None"] | None
    being: Being | None
    beings: list[Being]
    stranger: Stranger | None

    @strawberry.field
    def sync_text(self) -> str:
        return made(self._seed, f"{self._key}.sync", _text)

    @strawberry.field
    def sync_child(self, info: Info) -> "Thing | None":
        assert info.field_name == "syncChild"
        return made(self._seed, f"{self._key}.sync_child", _thing)

    @strawberry.field
    async def later_text(self, info: Info) -> str | None:
        return await _later(info, self, "text")

    @strawberry.field
    async def later_number(self, info: Info) -> int:
        return await _later(info, self, "maybe_number")

    @strawberry.field
    async def later_child(self, info: Info) -> "Thing | None":
        return await _later(info, self, "child")

    @strawberry.field
    async def later_sure(self, info: Info) -> "Thing":
        return await _later(info, self, "sure")

    @strawberry.field
    async def later_children(self, info: Info) -> list["Thing"]:
        return await _later(info, self, "children")

    @strawberry.field
    async def later_beings(self, info: Info) -> list[Being | None]:
        return await _later(info, self, "beings")

    @strawberry.field
    def echo(
        root: strawberry.Parent["Thing"],
        info: Info,
        number: int = 3,
        text: str | None = strawberry.UNSET,
        colour: Colour = Colour.GREEN,
        wanted: Wanted | None = None,
        ids: list[strawberry.ID] | None = None,
        big: BigInt | None = None,
    ) -> str:
        assert isinstance(root, Thing)
        return f"{info.path.key} {number!r} {text!r} {colour!r} {wanted!r} {ids!r} {big!r}"


MAKERS: dict[str, Callable[[random.Random, int, str], Any]] = {
    "id": lambda dice, seed, key: dice.choice((key, 5)),
    "name": _or_none(_text),
    "text": _text,
    "maybe_text": _or_none(_text),
    "number": _number,
    "maybe_number": _or_none(_number),
    "ratio": lambda dice, seed, key: dice.choice((0.5, 1, "1e3")),
    "flag": lambda dice, seed, key: dice.choice((True, False, 0, 2)),
    "colour": lambda dice, seed, key: dice.choice((Colour.RED, Colour.GREEN, "red")),
    "maybe_colour": _or_none(lambda dice, seed, key: dice.choice(list(Colour))),
    "day": lambda dice, seed, key: dice.choice((date(2026, 1, 31), date(2026, 2, 1))),
    "big": lambda dice, seed, key: dice.choice((0, 2**53, -(2**62))),
    "anything": lambda dice, seed, key: dice.choice(({"a": [1]}, [], 0, "text")),
    "tags": _items(_text),
    "maybe_tags": _or_none(_items(_or_none(_text))),
    "matrix": _items(_or_none(_items(_number))),
    "child": _or_none(_thing),
    "sure": _thing,
    "children": _items(_thing),
    "maybe_children": _or_none(_items(_or_none(_thing))),
    "being": _or_none(_being),
    "beings": _items(_being),
    "stranger": lambda dice, seed, key: odd(Stranger, seed, key),
}


@strawberry.type
class Query:
    @strawberry.field
    def thing(self, info: Info) -> Thing | None:
        return odd(Thing, info.root_value, "thing")

    @strawberry.field
    async def sure_thing(self, info: Info) -> Thing:
        return odd(Thing, info.root_value, "sure")

    @strawberry.field
    async def things(self, info: Info, first: int = 2) -> list[Thing]:
        return [odd(Thing, info.root_value, f"things[{number}]") for number in range(min(first, 3))]


@strawberry.type
class Mutation:
    @strawberry.mutation
    async def change(self, info: Info, to: int, fail: bool = False) -> Thing:
        info.context.changes.append(to)
        await info.context.reached(-to)
        info.context.changes.append(-to)
        if fail:
            raise ValueError("nothing was changed")
        return odd(Thing, info.root_value, f"changed[{to}]")

    @strawberry.mutation
    def try_to(self, info: Info, to: int) -> Thing | None:
        info.context.changes.append(to)
        raise ValueError("it cannot be done")


@strawberry.type
class Subscription:
    @strawberry.subscription
    async def changed(self, first: int = 1) -> AsyncGenerator[Thing, None]:
        yield odd(Thing, first, "event")


schema = strawberry.Schema(
    Query,
    Mutation,
    Subscription,
    types=[Plain, Thing],
    config=StrawberryConfig(scalar_map=SCALARS),  # type: ignore[arg-type]
)
