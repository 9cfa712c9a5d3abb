"""Generated queries over generated objects: whatever is wrong with these, both say the same of it."""

from typing import Any

import hypothesis_graphql
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from hypothesis_graphql import nodes

from tests.unit.graphql.compiled.both import both
from tests.unit.graphql.compiled.odd_schema import schema

SCALARS = {
    "BigInt": st.integers(-5, 5).map(nodes.Int),
    "Date": st.just("2026-01-31").map(nodes.String),
    "JSON": st.just(nodes.Object([])),
}
QUERIES = hypothesis_graphql.queries(schema.as_str(), custom_scalars=SCALARS, allow_null=True)
SEEDS = st.integers(0, 10_000)
THOROUGH = settings(max_examples=60, deadline=None, derandomize=True, suppress_health_check=list(HealthCheck))


@THOROUGH
@given(QUERIES, SEEDS)
def test_generated_queries_give_the_same(text: str, seed: int) -> None:
    both(text, root=seed)


LEAVES = (
    *("id", "name", "text", "maybeText", "number", "maybeNumber", "ratio", "flag", "colour", "maybeColour", "day"),
    *("big", "anything", "tags", "maybeTags", "matrix", "syncText", "laterText", "laterNumber", "echo", "__typename"),
)
BRANCHES = ("child", "sure", "children", "maybeChildren", "syncChild", "laterChild", "laterSure", "laterChildren")
BEINGS = ("being", "beings", "laterBeings")
CONDITIONS = ("", "", "", "", "@skip(if: $yes)", "@include(if: $yes)", "@skip(if: $no)", "@include(if: false)")


@st.composite
def selections(draw: Any, depth: int) -> str:
    """Fields that are selected several times, under aliases, conditions and in fragments."""
    parts: list[str] = []
    for _ in range(draw(st.integers(1, 4))):
        condition = draw(st.sampled_from(CONDITIONS))
        kind = draw(st.integers(0, 9))
        if kind < 5 or depth == 0:
            name = draw(st.sampled_from(LEAVES))
            alias = draw(st.sampled_from(("", f"other_{name}: ")))
            parts.append(f"{alias}{name} {condition}")
        elif kind < 7:
            parts.append(f"{draw(st.sampled_from(BRANCHES))} {condition} {{ {draw(selections(depth - 1))} }}")
        elif kind == 7:
            inner = f"id ... on Thing {{ {draw(selections(depth - 1))} }} ... on Plain {{ name __typename }}"
            parts.append(f"{draw(st.sampled_from(BEINGS))} {condition} {{ {inner} }}")
        elif kind == 8:
            on = draw(st.sampled_from(("", "on Thing", "on Being")))
            inner = "id name" if on == "on Being" else draw(selections(depth - 1))
            parts.append(f"... {on} {condition} {{ {inner} }}")
        else:
            parts.append(f"...{draw(st.sampled_from(('Some', 'More')))} {condition}")
    return " ".join(parts)


ROOTS = ("thing", "sureThing", "things(first: $first)")


@THOROUGH
@given(st.lists(selections(3), min_size=1, max_size=3), selections(1), SEEDS, st.booleans(), st.data())
def test_fields_in_fragments_and_under_conditions_give_the_same(
    parts: list[str], more: str, seed: int, yes: bool, data: st.DataObject
) -> None:
    roots = " ".join(f"{data.draw(st.sampled_from(ROOTS))} {{ {part} }}" for part in parts)
    text = (
        f"query($yes: Boolean!, $no: Boolean! = false, $first: Int = 2) {{ {roots} }} "
        f"fragment Some on Thing {{ text laterChild {{ number laterText }} tags }} "
        f"fragment More on Thing {{ {more.replace('...More', '...Some')} }}"
    )
    both(text, {"yes": yes} | data.draw(st.sampled_from(({}, {"first": 1}, {"first": None}))), seed)
