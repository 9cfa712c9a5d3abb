import json
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.fakes.answers import answer, deltas

SCHEMAS: list[dict[str, Any]] = [
    {
        "type": "object",
        "properties": {
            "subject": {"type": "string", "maxLength": 12},
            "body": {"type": "string", "minLength": 90},
        },
        "required": ["subject", "body"],
        "additionalProperties": False,
    },
    {
        "type": "object",
        "properties": {
            "sentiment": {"enum": ["positive", "neutral", "negative"]},
            "confidence": {"type": "number", "minimum": 0, "maximum": 1},
            "stars": {"type": "integer", "exclusiveMinimum": 0, "maximum": 5},
        },
        "required": ["sentiment", "confidence", "stars"],
    },
    {"type": "object", "additionalProperties": {"type": ["string", "null"]}, "minProperties": 3},
    {
        "type": "array",
        "items": {"type": "integer", "multipleOf": 7, "minimum": 50},
        "minItems": 4,
        "maxItems": 4,
    },
    {"type": "array", "prefixItems": [{"const": 1}, {"type": "boolean"}], "items": False, "minItems": 2},
    {
        "$defs": {
            "node": {
                "type": "object",
                "properties": {"next": {"$ref": "#/$defs/node"}, "at": {"format": "date"}},
            }
        },
        "$ref": "#/$defs/node",
    },
    {
        "allOf": [
            {"type": "object", "properties": {"a": {"type": "string"}}, "required": ["a"]},
            {"properties": {"b": {"anyOf": [{"type": "null"}, {"type": "string"}]}}, "required": ["b"]},
        ]
    },
    {
        "type": "object",
        "required": ["free"],
        "properties": {"n": {"oneOf": [{"type": "number"}, {"const": "x"}]}},
    },
]


def object_of(children: st.SearchStrategy[dict[str, Any]]) -> st.SearchStrategy[dict[str, Any]]:
    properties = st.dictionaries(st.sampled_from(["title", "body", "tags", "n"]), children, min_size=1)
    return st.builds(
        lambda fields, closed: {
            "type": "object",
            "properties": fields,
            "required": sorted(fields)[:1],
            "additionalProperties": not closed,
        },
        properties,
        st.booleans(),
    )


LEAVES: st.SearchStrategy[dict[str, Any]] = st.one_of(
    st.builds(
        lambda low, more: {"type": "string", "minLength": low, "maxLength": low + more},
        *[st.integers(0, 40)] * 2,
    ),
    st.builds(lambda low, more: {"type": "integer", "minimum": low, "maximum": low + more}, *[st.integers(0, 9)] * 2),
    st.builds(lambda low, more: {"type": "number", "minimum": low, "maximum": low + more}, *[st.floats(0, 1)] * 2),
    st.sampled_from([{"type": "boolean"}, {"enum": ["x", 3]}, {"const": [1]}, {"type": ["null", "string"]}]),
)
SCHEMA = st.recursive(
    LEAVES,
    lambda children: st.one_of(
        object_of(children),
        st.builds(
            lambda item, least: {"type": "array", "items": item, "minItems": least},
            children,
            st.integers(0, 3),
        ),
    ),
    max_leaves=6,
)


@given(prompt=st.text(), schema=st.one_of(st.sampled_from(SCHEMAS), SCHEMA))
def test_every_answer_is_valid_and_repeatable(prompt: str, schema: dict[str, Any]) -> None:
    first, second = answer(prompt, schema), answer(prompt, schema)

    assert first == second
    jsonschema.validate(json.loads(first), schema, cls=jsonschema.Draft202012Validator)


@given(prompt=st.text(min_size=1))
def test_deltas_are_the_text_in_order_and_few(prompt: str) -> None:
    text = answer(prompt, None)

    pieces = deltas(text)

    assert "".join(pieces) == text
    assert all(pieces)
    assert 20 <= len(pieces) <= 60


@pytest.mark.parametrize(("text", "pieces"), [("", []), ("abc", ["a", "b", "c"])])
def test_short_texts_have_no_empty_deltas(text: str, pieces: list[str]) -> None:
    assert deltas(text) == pieces


def test_a_prompt_that_names_an_option_gets_it() -> None:
    schema = {"enum": ["positive", "neutral", "negative"]}

    assert answer("This is a Negative review", schema) == '"negative"'
    assert answer("No opinion", schema) == '"positive"'
