"""To refuse a document costs little, whatever is in it, and keeps nobody else waiting.

Times are those that the processor took in this thread: other processes of the machine do not count.
"""

import asyncio
import gc
import time
from collections.abc import AsyncIterator, Callable, Iterator

import httpx
import pytest

from tests.integration.graphql_client import Gql

KILOBYTE = 1_024
MOST_SECONDS = 0.1
LONGEST_STALL_SECONDS = 0.25


def filled(unit: Callable[[int], str], before: str = "{", after: str = "}", size: int = KILOBYTE) -> str:
    """As many of them as fit."""
    units: list[str] = []
    left = size - len((before + after).encode())
    while left >= len((each := unit(len(units))).encode()):
        units.append(each)
        left -= len(each.encode())
    return before + "".join(units) + after


def mesh(count: int, body: str) -> str:
    """Fragments that spread each other, all of them."""
    spreads = "".join(f"...f{n} " for n in range(count))
    return "".join(f"fragment f{n} on Query{{{body}{spreads}}}" for n in range(count))


def nasty(size: int) -> dict[str, str]:
    """What is known to be expensive somewhere: documents of at most so many bytes."""
    tasks = "){totalCount}}"

    def fill(unit: Callable[[int], str], before: str = "{", after: str = "}") -> str:
        return filled(unit, before, after, size)

    return {
        "nested fields": fill(lambda _: "{a", "", ""),
        "nested and closed": "{a" * (size // 3) + "}" * (size // 3),
        "nested lists": fill(lambda _: "[", "{tasks(first:", ""),
        "nested objects": fill(lambda _: "{a:", "{tasks(filter:", ""),
        "nested types": fill(lambda _: "[", "query($a:", ""),
        "nested inline fragments": "{" + "...{" * (size // 6) + "a" + "}" * (size // 6) + "}",
        "unknown fields": fill(lambda n: f"f{n} "),
        "the same unknown field": fill(lambda _: "taskz "),
        "the same field": fill(lambda _: "__typename "),
        "the same objects": fill(lambda _: "viewer{role}"),
        "the same objects, deeper": fill(lambda _: "viewer{user{id}}"),
        "the same in inline fragments": fill(lambda _: "...{viewer{role}}"),
        "pairs within pairs": "{"
        + "viewer{user{id}user{id}}" * 4
        + fill(lambda _: "viewer{user{id}}", "", "")[:-200]
        + "}",
        "conflicts of arguments": fill(lambda n: f"tasks(first:{n}){{totalCount}}"),
        "conflicts of objects": fill(lambda n: f'tasks(filter:{{types:["{n}"]}}){{totalCount}}'),
        "conflicts of names": fill(lambda n: f"a:f{n} "),
        "a mesh of fragments": fill(lambda _: " ", "{...f0}" + mesh(9, ""), ""),
        "a mesh with fields": fill(lambda _: " ", "{...f0}" + mesh(7, "viewer{role}"), ""),
        "a fan of fragments": "{...f0}"
        + "".join(f"fragment f{n} on Query{{...f{n + 1}...f{n + 1}}}" for n in range(20)),
        "a cycle": "{...f0}" + "".join(f"fragment f{n} on Query{{...f{(n + 1) % 20}}}" for n in range(20)),
        "many spreads": fill(lambda _: "...f ", "{", "}fragment f on Query{viewer{role}}"),
        "unknown spreads": fill(lambda n: f"...f{n} "),
        "aliases": fill(lambda n: f"a{n}:viewer{{role}}"),
        "directives": fill(lambda _: "@skip(if:true)", "{viewer{role", "}}"),
        "unknown directives": fill(lambda n: f"@a{n}", "{viewer{role", "}}"),
        "directives of the operation": fill(lambda _: "@a", "query", "{a}"),
        "operations": fill(lambda n: f"query q{n}{{a}}", "", ""),
        "nameless operations": fill(lambda _: "{a}", "", ""),
        "types that are none": fill(lambda n: f"type T{n}{{a:Int}}", "", ""),
        "a huge number": fill(lambda _: "9", "{tasks(first:", tasks),
        "a huge exponent": fill(lambda _: "9", "{tasks(first:1e", tasks),
        "a huge string": fill(lambda _: "a", '{tasks(after:"', '"' + tasks),
        "escapes": fill(lambda _: "\\u0041", '{tasks(after:"', '"' + tasks),
        "an open string": fill(lambda _: "a", '{tasks(after:"', ""),
        "a block string": fill(lambda _: "\n ", '{tasks(after:"""', '"""' + tasks),
        "an open block string": fill(lambda _: '\\"""', '{tasks(after:"""', ""),
        "a huge name": fill(lambda _: "a"),
        "a comment": fill(lambda _: "a", "#", ""),
        "lines": fill(lambda _: "\n", "", "?"),
        "commas": fill(lambda _: ",", "", "?"),
        "four bytes each": fill(lambda _: "𝕒", "#", ""),
        "fields of an input": fill(lambda n: f"a{n}:1,", "{tasks(filter:{", "}" + tasks),
        "the same field of an input": fill(lambda _: "a:1,", "{tasks(filter:{", "}" + tasks),
        "values of an enum": fill(lambda n: f"QEUED{n} ", "{tasks(filter:{statuses:[", "]}" + tasks),
        "arguments": fill(lambda n: f"frst{n}:1 ", "{tasks(", tasks),
        "variables": fill(lambda n: f"$a{n}:Int ", "query(", "){a}"),
        "the same variable": fill(lambda _: "$a:Int ", "query(", "){a}"),
        "defaults": fill(lambda n: f"$a{n}:TaskFilter={{a:1}} ", "query(", "){a}"),
        "unknown variables": fill(lambda n: f"a{n}:$a{n} ", "{tasks(", tasks),
        "introspection": fill(lambda _: "types{fields{name}}", "{__schema{", "}}"),
        "introspection by name": fill(lambda _: '__type(name:"Task"){fields{type{name}}}'),
        "mutations": fill(lambda _: "signOut{a}", "mutation{"),
        "subscriptions": fill(lambda _: "taskEvents{kind}", "subscription{"),
        "rows of rows": fill(lambda _: "tasks(first:100){nodes{events(first:100){nodes{seq}}}}"),
    }


SMALL = nasty(KILOBYTE)
# As much as a body may hold, where JSON doubles it.
LARGE = nasty(120_000)


class Lag:
    """The longest time in which the loop did nothing else, in seconds of the processor."""

    def __init__(self) -> None:
        self.longest = 0.0

    async def watch(self) -> None:
        while True:
            before = time.thread_time()
            await asyncio.sleep(0)
            self.longest = max(self.longest, time.thread_time() - before)


@pytest.fixture(autouse=True, scope="module")
def as_after_the_start() -> Iterator[None]:
    """A process of the API does not look for garbage in what it started with either."""
    gc.collect()
    gc.freeze()
    yield
    gc.unfreeze()


@pytest.fixture
async def lag() -> AsyncIterator[Lag]:
    lag = Lag()
    watching = asyncio.create_task(lag.watch())
    yield lag
    watching.cancel()
    await asyncio.wait([watching])


@pytest.fixture
def anonymous(http: httpx.AsyncClient, api: str) -> Gql:
    return Gql(http, api, None)


@pytest.mark.parametrize("name", SMALL)
async def test_a_small_document_is_dealt_with_in_a_moment(anonymous: Gql, name: str) -> None:
    assert len(SMALL[name].encode()) <= KILOBYTE
    took: list[float] = []
    # Spaces make it new. The best of three is what it costs: others use the machine too.
    for spaces in range(3):
        began = time.thread_time()
        answer = await anonymous.raw(SMALL[name] + " " * spaces)
        took.append(time.thread_time() - began)
        # Some are harmless after all, and are executed.
        assert answer.status_code in (200, 400)

    assert min(took) < MOST_SECONDS


@pytest.mark.parametrize("name", LARGE)
async def test_a_large_document_keeps_nobody_waiting(gql: Gql, lag: Lag, name: str) -> None:
    stalls: list[float] = []
    for spaces in range(3):
        lag.longest = 0.0
        answer = await gql.raw(LARGE[name] + " " * spaces)
        stalls.append(lag.longest)
        assert answer.status_code in (200, 400)
        assert len(answer.content) < 100_000

    assert min(stalls) < LONGEST_STALL_SECONDS
