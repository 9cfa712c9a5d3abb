import socket
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInput
from app.services.template import schema_check
from app.services.template.schema_check import check_input, check_schema, resolve_output_schema

JSON = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(max_size=5),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=8,
)
SCHEMAS = st.recursive(
    st.fixed_dictionaries(
        {},
        optional={
            "type": st.sampled_from(["object", "array", "string", "number", "integer", "null", "none"]),
            "enum": st.lists(JSON, max_size=2),
            "const": JSON,
            "pattern": st.sampled_from(["^a", "(a+)+$", "(", "\\1"]),
            "multipleOf": st.sampled_from([0, 0.1, 2]),
            "maxLength": st.integers(-1, 3),
            "uniqueItems": st.booleans(),
            "required": st.lists(st.text(max_size=3), max_size=2, unique=True),
            "$ref": st.sampled_from(["#", "#/$defs/a", "http://localhost/x", "#/items", 1]),
        },
    ),
    lambda inner: st.fixed_dictionaries(
        {},
        optional={
            "properties": st.dictionaries(st.text(max_size=3), inner, max_size=2),
            "additionalProperties": inner | st.booleans(),
            "items": inner,
            "anyOf": st.lists(inner, max_size=2),
            "not": inner,
            "$defs": st.fixed_dictionaries({"a": inner}),
            "$ref": st.just("#/$defs/a"),
        },
    ),
    max_leaves=5,
)
ORDER = {
    "type": "object",
    "properties": {
        "email": {"type": "string", "minLength": 1, "maxLength": 5},
        "mood": {"enum": ["good", "bad"]},
        "lines": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
        "tags": {"anyOf": [{"type": "array", "items": {"type": "string"}}, {"type": "string"}]},
        "slug": {"type": "string", "pattern": "^[a-z]+$"},
    },
    "required": ["email"],
    "additionalProperties": False,
}


def refusal(schema: Any, value: Any = None) -> InvalidInput:
    with pytest.raises(InvalidInput) as raised:
        check_input(schema, value)
    return raised.value


def schema_refusal(schema: object) -> InvalidInput:
    with pytest.raises(InvalidInput) as raised:
        check_schema(schema, ("inputSchema",))
    return raised.value


@pytest.mark.parametrize(
    ("value", "path", "message"),
    [
        ({}, ("email",), "input.email is required."),
        ([], (), "input must be an object."),
        ({"email": 1}, ("email",), "input.email must be text."),
        ({"email": ""}, ("email",), "input.email must have at least 1 characters."),
        ({"email": "secret"}, ("email",), "input.email must have at most 5 characters."),
        ({"email": "x", "mood": "odd"}, ("mood",), 'input.mood must be one of "good", "bad".'),
        ({"email": "x", "lines": [{}, {"n": "1"}]}, ("lines", "1", "n"), None),
        ({"email": "x", "tags": ["a", 1]}, ("tags", "1"), "input.tags.1 must be text."),
        ({"email": "x", "tags": 1}, ("tags",), "input.tags must be one of the forms that the schema allows."),
        ({"email": "x", "slug": "A"}, ("slug",), 'input.slug must match "^[a-z]+$".'),
    ],
)
def test_the_path_leads_to_the_field_at_fault(value: Any, path: tuple[str, ...], message: str | None) -> None:
    error = refusal(ORDER, value)
    assert error.path == ("input", *path)
    assert error.message == (message or "input.lines.1.n must be a whole number.")


def test_unknown_field_is_named_but_not_at_length() -> None:
    error = refusal(ORDER, {"email": "x", "y" * 5000: 1})
    assert error.path == ("input", "y" * 63 + "…")
    assert len(error.message) <= 200


@given(st.text(min_size=300), st.sampled_from(["email", "mood", "slug", "lines"]))
def test_messages_are_short_and_do_not_repeat_the_value(value: str, name: str) -> None:
    error = refusal(ORDER, {"email": "x", name: value})
    assert len(error.message) <= 200
    assert value not in error.message


@given(SCHEMAS, JSON)
def test_check_input_raises_nothing_but_invalid_input(schema: dict[str, Any], value: Any) -> None:
    try:
        check_input(schema, value)
    except InvalidInput as error:
        assert error.path[0] == "input"


def test_absurd_values_are_invalid_input() -> None:
    deep: Any = 1
    for _ in range(100_000):
        deep = [deep]
    for schema, value in [
        ({"multipleOf": 0.1}, 10**400),
        ({"multipleOf": 0.1}, float("nan")),
        ({"const": [[1]]}, deep),
        ({"type": "object"}, deep),
    ]:
        refusal(schema, value)


@pytest.mark.parametrize(
    ("schema", "path", "words"),
    [
        ([], (), "A schema is a JSON object"),
        ({"type": "strnig"}, ("type",), "must be one of"),
        ({"properties": {"a": 5}}, ("properties", "a"), "must be an object or true or false"),
        ({"x": {1}}, (), "not valid JSON"),
        ({"x": "\ud800"}, (), "not valid JSON"),
        ({"items": {"$ref": "https://example.com/s"}}, ("items", "$ref"), "inside this one"),
        ({"$ref": "#/$defs/no"}, ("$ref",), "inside this one"),
        ({"$ref": "#name"}, ("$ref",), "inside this one"),
        ({"items": {"$ref": "#"}}, (), "refers back to itself"),
        ({"$schema": "http://json-schema.org/draft-07/schema#"}, ("$schema",), "2020-12"),
        ({"$id": "https://example.com/s"}, ("$id",), "not supported"),
        ({"patternProperties": {"a": {}}}, ("patternProperties",), "not supported"),
        ({"items": {"pattern": "(?=a)"}}, ("items", "pattern"), "look-around"),
        ({"x-bizq-properties-from": 1}, ("x-bizq-properties-from",), "names a field"),
    ],
)
def test_schema_is_refused_with_the_place_and_the_reason(schema: object, path: tuple[str, ...], words: str) -> None:
    error = schema_refusal(schema)
    assert error.path == ("inputSchema", *path)
    assert words in error.message


def test_limits_are_named() -> None:
    deep: dict[str, Any] = {}
    for _ in range(40):
        deep = {"items": deep}
    assert f"deeper than {schema_check.MAX_SCHEMA_DEPTH}" in schema_refusal(deep).message
    assert str(schema_check.MAX_SCHEMA_BYTES) in schema_refusal({"title": "x" * 70_000}).message


def test_references_that_double_at_every_step_are_refused() -> None:
    definitions: dict[str, Any] = {
        f"d{n}": {"allOf": [{"$ref": f"#/$defs/d{n + 1}"}, {"$ref": f"#/$defs/d{n + 1}"}]} for n in range(15)
    }
    schema = {"$ref": "#/$defs/d0", "$defs": definitions | {"d15": {}}}
    assert "unfolds into more than 5000" in schema_refusal(schema).message


def test_local_references_work_escapes_included() -> None:
    schema = {"$defs": {"a/b": {"type": "string"}}, "items": {"$ref": "#/$defs/a~1b"}}
    check_schema(schema, ())
    check_input(schema, ["x"])
    assert refusal(schema, [1]).path == ("input", "0")


def test_names_that_look_like_keywords_are_just_names() -> None:
    schema = {"properties": {"$ref": {"type": "string"}, "pattern": {}}, "enum": [{"$ref": "http://x"}]}
    check_schema(schema, ())


def test_nothing_is_ever_fetched(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_: object) -> None:
        raise AssertionError("a connection was opened")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    assert "inside this one" in refusal({"$ref": "http://localhost:9/schema"}).message
    assert "2020-12" in refusal({"$schema": "http://localhost:9/meta"}).message


def test_the_work_of_one_check_is_bounded() -> None:
    schema = {"items": {"allOf": [{"type": "integer"}] * 500}}
    assert "too many steps" in refusal(schema, [1] * 1_000_000).message
    assert "too many steps" in refusal({"uniqueItems": True}, [[n] for n in range(10_000)]).message
    assert "too many steps" in refusal({"pattern": "^(a|b|ab)*$"}, "ab" * 100_000).message


def test_properties_come_from_the_input() -> None:
    values = {"anyOf": [{"type": "string"}, {"type": "null"}]}
    schema = {"properties": {"values": {"x-bizq-properties-from": "fields", "additionalProperties": values}}}
    resolved = resolve_output_schema(schema, {"fields": ["a", "b c"]})
    assert resolved["properties"]["values"] == {
        "properties": {"a": values, "b c": values},
        "required": ["a", "b c"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize("value", [None, {}, {"fields": []}, {"fields": "a"}, {"fields": [1]}])
def test_without_names_the_keyword_just_goes(value: Any) -> None:
    schema = {"x-bizq-properties-from": "fields", "type": "object"}
    assert resolve_output_schema(schema, value) == {"type": "object"}
