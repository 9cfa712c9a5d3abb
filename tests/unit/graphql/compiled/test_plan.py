"""What generated queries hardly find, one by one."""

import asyncio
from typing import Any

import pytest
import strawberry
from graphql import ExecutionResult, GraphQLError
from graphql.execution.values import VariableValues
from strawberry.types import Info

from tests.unit.graphql.compiled.both import OddContext, both, by_plan, event_by_core, plan_of, settled
from tests.unit.graphql.compiled.odd_schema import Thing, odd

NO_VARIABLES = VariableValues({}, {})


@pytest.mark.parametrize(
    "text",
    [
        "{ thing { __typename id ... on Being { id __typename } } __typename }",
        "{ thing { id: text text: id } }",
        "{ a: thing { sure { id } } a: thing { sure { number } sure { id text } } }",
        "{ thing { beings { __typename ... on Thing { text } ...Named } } } fragment Named on Being { name }",
        "{ thing { ... { id } ... @skip(if: true) { text } ... @include(if: true) { number } } }",
        '{ thing { echo(number: 1, text: "a", colour: RED, ids: ["1", "2"], big: "12") b: echo c: echo(text: null) } }',
        "{ thing { echo(wanted: { colours: [RED] more: { text: null } }) } }",
        "{ thing { echo(ids: 7, wanted: {}) } }",
        '{ thing { echo(big: "x") sure { id } } }',
        "{ thing { maybeChildren { maybeChildren { laterChild { laterText } } } } }",
        "{ things(first: 3) { laterChildren { laterSure { laterNumber } laterText } } }",
    ],
)
@pytest.mark.parametrize("root", range(4))
def test_documents_give_the_same(text: str, root: int) -> None:
    both(text, root=root)


ECHO = """
query($number: Int! = 4, $text: String, $colour: Colour! = RED, $wanted: Wanted, $more: [Colour!]!, $big: BigInt) {
  thing { echo(number: $number, text: $text, colour: $colour, wanted: $wanted, ids: [$text, "a"], big: $big)
          sure { echo(number: 2, wanted: { text: $text, colours: $more }) } plain: echo(text: $text, big: $big) }
}"""


@pytest.mark.parametrize(
    "variables",
    [
        {"more": []},
        {"more": ["RED", "GREEN"], "text": "t", "number": 1, "colour": "GREEN", "big": "9007199254740993"},
        {"more": ["RED"], "text": None, "wanted": {"text": "x", "more": {"colours": []}}},
        {"more": ["BLUE"], "number": "1", "wanted": {"txet": 1}},
        {"more": None, "number": None},
        {},
    ],
)
def test_variables_give_the_same(variables: dict[str, Any]) -> None:
    both(ECHO, variables)


@pytest.mark.parametrize("seed", range(12))
def test_events_of_a_subscription_give_the_same(seed: int) -> None:
    text = (
        "subscription($first: Int) { changed(first: $first) { id laterSure { text being { id } } children { tags } } }"
    )
    event = odd(Thing, seed, "event")
    planned = settled(by_plan, text, {"first": 3}, event)
    assert planned == settled(event_by_core, text, {"first": 3}, event)


def test_a_mutations_fields_are_done_one_after_the_other() -> None:
    text = "mutation { a: change(to: 1) { id } b: tryTo(to: 2) { id } c: change(to: 3) { laterChild { id } id } }"
    assert both(text)[1] == [1, -1, 2, 3, -3]


def test_after_a_mutation_that_must_not_fail_nothing_is_done() -> None:
    (data, errors), changes = both("mutation { a: change(to: 1, fail: true) { id } b: change(to: 2) { id } }")
    assert (data, len(errors), changes) == ("null", 1, [1, -1])


@pytest.mark.parametrize(
    "text",
    [
        "{ __schema { queryType { name } } }",
        '{ thing { id } __type(name: "Thing") { name } }',
        "query @experimental_disableErrorPropagation { thing { id } }",
    ],
)
def test_what_only_graphql_core_can_do_is_left_to_it(text: str) -> None:
    assert plan_of(text) is None


def test_a_document_with_too_many_fields_has_no_plan() -> None:
    names = " ".join(f"a{number}: id" for number in range(400))
    nested = " ".join(f"c{number}: child {{ {names} }}" for number in range(20))
    assert plan_of(f"{{ thing {{ {nested} }} }}") is None


def test_the_same_fragment_in_many_places_is_compiled_once() -> None:
    spreads = " ".join(f"c{number}: child {{ ...F{{0}} }}" for number in range(6))
    levels = " ".join(
        f"fragment F{level} on Thing {{ {spreads.replace('{0}', str(level + 1))} }}" for level in range(8)
    )
    assert plan_of(f"{{ thing {{ ...F0 }} }} {levels} fragment F8 on Thing {{ id }}") is not None


def test_what_needs_no_waiting_makes_no_coroutine() -> None:
    plan = plan_of("{ thing { id sure { sure { text } } beings { id } tags } }")
    assert plan is not None
    assert isinstance(plan.execute(OddContext(), 0, NO_VARIABLES, hide_suggestions=True), ExecutionResult)


class Left:
    """Whether a resolver began, ended, or was told to stop."""

    def __init__(self) -> None:
        self.told: list[str] = []
        self.go = asyncio.Event()


@strawberry.type
class Slow:
    @strawberry.field
    async def waits(self, info: Info) -> int:
        info.context.told.append("began")
        try:
            await info.context.go.wait()
        except asyncio.CancelledError:
            info.context.told.append("stopped")
            raise
        info.context.told.append("ended")
        return 1

    @strawberry.field
    async def fails_late(self) -> int:
        await asyncio.sleep(0.001)
        raise ValueError("late")

    @strawberry.field
    def fails_at_once(self) -> int:
        raise ValueError("at once")

    @strawberry.field
    async def gives_up(self) -> int:
        raise asyncio.CancelledError

    @strawberry.field
    async def may_fail(self) -> int | None:
        raise ValueError("nothing depends on it")


@strawberry.type
class SlowQuery:
    @strawberry.field
    def slow(self) -> Slow | None:
        return Slow()

    @strawberry.field
    def sure(self) -> Slow:
        return Slow()


slow_schema = strawberry.Schema(SlowQuery)


async def _run(text: str, context: Left) -> ExecutionResult:
    plan = plan_of(text, of=slow_schema)
    assert plan is not None
    result = plan.execute(context, None, NO_VARIABLES, hide_suggestions=True)
    return result if isinstance(result, ExecutionResult) else await result


async def test_an_error_stops_what_is_of_no_use_any_more() -> None:
    context = Left()
    result = await _run("{ slow { waits failsLate } }", context)
    assert (result.data, context.told) == ({"slow": None}, ["began", "stopped"])


async def test_an_error_lets_go_on_what_does_not_depend_on_it() -> None:
    context = Left()
    running = asyncio.create_task(_run("{ a: slow { failsLate } b: slow { waits mayFail } }", context))
    await asyncio.sleep(0.05)
    assert (context.told, running.done()) == (["began"], False)
    context.go.set()
    result = await running
    assert result.data == {"a": None, "b": {"waits": 1, "mayFail": None}}
    assert [error.path for error in result.errors or ()] == [["b", "mayFail"], ["a", "failsLate"]]


async def test_what_has_not_begun_never_begins() -> None:
    context = Left()
    result = await _run("{ slow { waits failsAtOnce } sure { b: waits failsAtOnce } }", context)
    assert (result.data, context.told) == (None, [])
    assert [error.path for error in result.errors or ()] == [["slow", "failsAtOnce"], ["sure", "failsAtOnce"]]


@pytest.mark.parametrize("text", ["{ slow { waits } }", "{ slow { waits } b: slow { waits } }"])
async def test_whoever_gives_up_stops_all(text: str) -> None:
    context = Left()
    running = asyncio.create_task(_run(text, context))
    await asyncio.sleep(0.01)
    running.cancel()
    with pytest.raises(asyncio.CancelledError):
        await running
    assert set(context.told) == {"began", "stopped"}


async def test_a_resolver_that_is_cancelled_ends_the_operation() -> None:
    context = Left()
    with pytest.raises(asyncio.CancelledError):
        await _run("{ slow { waits givesUp } }", context)
    assert context.told == ["began", "stopped"]


async def test_what_is_given_up_before_it_began_is_settled() -> None:
    # The task that fails comes first: the other's coroutine has not been started then.
    @strawberry.type
    class Both:
        @strawberry.field
        async def first(self) -> int:
            raise GraphQLError("at its first step")

        @strawberry.field
        async def second(self, info: Info) -> int:
            info.context.told.append("began")
            return 2

    @strawberry.type
    class Query:
        @strawberry.field
        def both(self) -> Both | None:
            return Both()

    plan = plan_of("{ both { first second } }", of=strawberry.Schema(Query))
    assert plan is not None
    context = Left()
    result = plan.execute(context, None, NO_VARIABLES, hide_suggestions=True)
    assert not isinstance(result, ExecutionResult)
    assert (await result).data == {"both": None}
    assert context.told == []
