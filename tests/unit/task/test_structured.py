from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import ErrorCode
from app.services.task.structured import (
    MAX_QUOTED_ANSWER,
    OutputInvalid,
    parse_output,
    repair_messages,
    storable,
)

SCHEMA: dict[str, Any] = {
    "type": "object",
    "properties": {"body": {"type": "string", "maxLength": 20}, "score": {"type": "number"}},
    "required": ["body"],
    "additionalProperties": False,
}


def problem(text: str) -> str:
    with pytest.raises(OutputInvalid) as raised:
        parse_output(text, SCHEMA)
    assert raised.value.code is ErrorCode.INVALID_STATE
    assert raised.value.reason == "output_invalid"
    return raised.value.problem


def test_without_a_schema_the_output_is_the_text() -> None:
    assert parse_output('{"not": "parsed"}', None) == {"text": '{"not": "parsed"}'}


@pytest.mark.parametrize(
    "text",
    [
        '{"body": "hi"}',
        '  {"body": "hi"}\n',
        '```json\n{"body": "hi"}\n```',
        'Here you are: {"body": "hi"} Anything else?',
        'With {braces} first: {"body": "hi"}',
    ],
)
def test_json_is_found_where_models_put_it(text: str) -> None:
    assert parse_output(text, SCHEMA) == {"body": "hi"}


def test_raw_line_breaks_in_strings_are_accepted() -> None:
    assert parse_output('{"body": "a\nb"}', SCHEMA) == {"body": "a\nb"}


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "it holds no complete JSON object"),
        ('{"body": "cut of', "it holds no complete JSON object"),
        ('{"body": "a", "score": NaN}', "it holds no complete JSON object"),
        ('{"body": "a", "score": 1e999}', "it holds no complete JSON object"),
        ("[" * 100_000, "it holds no complete JSON object"),
        ('{"a":' * 100_000, "it holds no complete JSON object"),
        ("{}", "output.body is required"),
        ('["body"]', "output must be an object"),
        ('{"body": "a", "score": "high"}', "output.score must be a number"),
        ('{"body": "aaaaaaaaaaaaaaaaaaaaa"}', "output.body must have at most 20 characters"),
        ('{"body": "a", "score": 99999999999999999999}', "it holds a number too large to store"),
    ],
)
def test_what_does_not_fit_says_why(text: str, expected: str) -> None:
    assert problem(text) == expected


def test_nul_and_lone_surrogates_are_removed_before_the_check() -> None:
    schema = {"additionalProperties": {"type": "string", "maxLength": 3}}
    text = '{"k\\u0000": "a\\u0000b\\ud83dc", "whole": "\\ud83d\\ude00"}'
    assert parse_output(text, schema) == {"k": "abc", "whole": "😀"}
    assert parse_output("a\0b\udc00", None) == {"text": "ab"}


@given(st.text() | st.text(alphabet='{}[]":, ab\\u0d8\x00', max_size=30))
def test_any_text_is_parsed_or_refused_and_can_be_stored(text: str) -> None:
    try:
        output = parse_output(text, {})
    except OutputInvalid:
        return
    assert "\0" not in repr(output)
    repr(output).encode()


@given(st.text(alphabet=st.characters(), max_size=20))
def test_storable_text_encodes_and_loses_nothing_else(text: str) -> None:
    kept = storable(text)
    kept.encode()
    assert kept == "".join(c for c in text if c != "\0" and not 0xD800 <= ord(c) <= 0xDFFF)


def test_repair_shows_the_answer_and_what_is_wrong_with_it() -> None:
    turns = repair_messages("Classify this.", "oops\0", "output.body is required")
    assert turns[:2] == [("user", "Classify this."), ("assistant", "oops")]
    role, correction = turns[2]
    assert role == "user"
    assert "output.body is required" in correction


def test_empty_answer_is_not_sent_back_as_a_turn() -> None:
    ((role, text),) = repair_messages("Classify this.", " \n", "it holds no complete JSON object")
    assert role == "user"
    assert text.startswith("Classify this.\n\nYour answer")


def test_long_answer_is_cut_in_the_repair_turn() -> None:
    assert len(repair_messages("x", "y" * 50_000, "z")[1][1]) == MAX_QUOTED_ANSWER
