import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.errors import InvalidInput, LimitExceeded
from app.services.template.render import (
    MAX_PROMPT_CHARACTERS,
    MAX_RENDERED_CHARACTERS,
    check_prompt,
    placeholders,
    render,
)

SCHEMA = {"type": "object", "properties": {"name": {"type": "string"}, "tone": {"type": "string"}}}


def test_first_separator_line_parts_system_from_user() -> None:
    rendered = render("Be kind.\n---\nGreet {{name}}.\n---\nThanks.", {"name": "Ann"})
    assert rendered == ("Be kind.", "Greet Ann.\n---\nThanks.")


def test_prompt_without_separator_is_all_user() -> None:
    assert render("Greet {{ name }}.", {"name": "Ann"}) == ("", "Greet Ann.")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("text", "text"),
        (["a", "b c"], "a, b c"),
        ([], "[]"),
        ([1, "a"], '[1,"a"]'),
        ({"ä": None}, '{"ä":null}'),
        (1.5, "1.5"),
        (True, "true"),
        (None, "null"),
    ],
)
def test_values_that_are_no_text_become_lists_or_compact_json(value: object, text: str) -> None:
    assert render("{{value}}", {"value": value}).user == text


def test_dotted_name_reaches_into_objects() -> None:
    assert render("{{order.id}}", {"order": {"id": 7}}).user == "7"


@pytest.mark.parametrize("name", ["missing", "order.missing", "order.id.deeper"])
def test_missing_value_names_the_input_field(name: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        render(f"{{{{{name}}}}}", {"order": {"id": 7}})
    assert raised.value.path == ("input", *name.split("."))
    assert raised.value.message == f"input.{name} is required: the template's prompt uses it."


@pytest.mark.parametrize("empty", [None, False, "", [], {}])
def test_block_is_hidden_without_a_value(empty: object) -> None:
    prompt = "Hi{{#tone}}, {{tone}}{{/tone}}."
    assert render(prompt, {"tone": empty}).user == "Hi."
    assert render(prompt, {}).user == "Hi."


@pytest.mark.parametrize(("value", "text"), [("warm", "warm"), (0, "0"), (True, "true"), (["a"], "a")])
def test_block_is_shown_with_a_value(value: object, text: str) -> None:
    assert render("{{#tone}}<{{tone}}>{{/tone}}", {"tone": value}).user == f"<{text}>"


def test_blocks_nest_and_an_inner_one_stays_hidden_with_its_outer() -> None:
    prompt = "{{#a}}A{{#b}}B{{missing}}{{/b}}{{/a}}{{#b}}b{{/b}}"
    assert render(prompt, {"b": 1}).user == "b"


def test_single_braces_and_json_examples_are_text() -> None:
    prompt = 'Like {"a": {"b": 1}} or {x}: {{name}}'
    assert render(prompt, {"name": "Ann"}).user == 'Like {"a": {"b": 1}} or {x}: Ann'


@given(st.text(alphabet="{}#/ -\nax", max_size=40))
def test_braces_inside_values_are_never_interpreted(value: str) -> None:
    rendered = render("[{{#x}}{{x}}{{/x}}]\n---\n[{{a}}]", {"a": value, "x": value})
    assert rendered == (f"[{value}]", f"[{value}]")


@given(st.text(alphabet="{}#/.ab -\n", max_size=30))
def test_any_prompt_renders_or_is_refused_as_invalid(prompt: str) -> None:
    try:
        names = placeholders(prompt)
    except InvalidInput:
        with pytest.raises(InvalidInput):
            render(prompt, {})
        return
    rendered = render(prompt, {"a": "1", "b": "1"}) if names <= {"a", "b"} else None
    assert rendered is None or "{{" not in rendered.user


def test_result_beyond_the_limit_is_refused_before_it_is_built() -> None:
    with pytest.raises(LimitExceeded) as raised:
        render("{{name}}" * 1000, {"name": "x" * 10_000})
    assert raised.value.limit == MAX_RENDERED_CHARACTERS


def test_placeholders_are_the_names_of_values_and_blocks() -> None:
    assert placeholders("{{#tone}}{{ tone }}{{/tone}}\n---\n{{order.id}} {{name}}") == {
        "tone",
        "order.id",
        "name",
    }


@pytest.mark.parametrize(
    ("prompt", "complaint"),
    [
        ("{{name", "malformed braces at “{{name”"),
        ("{{name}", "malformed braces"),
        ("{name}}", "malformed braces"),
        ("{{{name}}}", "malformed braces"),
        ("{{}}", "malformed braces"),
        ("{{na me}}", "malformed braces"),
        ("{{#tone}}x", "opens {{#tone}} and does not end it"),
        ("{{/tone}}x", "ends a block with {{/tone}}"),
        ("{{#tone}}{{#name}}x{{/tone}}{{/name}}", "ends a block with {{/tone}}"),
        ("{{#tone}}x\n---\ny{{/tone}}", "opens {{#tone}}"),
        ("Only a system part.\n---\n", "has no request"),
        ("{{nope}} {{name}}", "uses {{nope}}, which inputSchema does not define"),
        ("{{nope.id}}", "uses {{nope.id}}"),
    ],
)
def test_wrong_prompt_is_refused_with_the_reason(prompt: str, complaint: str) -> None:
    with pytest.raises(InvalidInput) as raised:
        check_prompt(prompt, SCHEMA)
    assert complaint in raised.value.message
    assert raised.value.path == ("prompt",)


@pytest.mark.parametrize("schema", [None, {}, {"type": "object"}])
def test_any_variable_may_come_where_the_schema_names_none(schema: dict[str, object] | None) -> None:
    check_prompt("{{whatever}}", schema)


def test_prompt_beyond_the_limit_is_refused_with_the_limit() -> None:
    check_prompt("x" * MAX_PROMPT_CHARACTERS, None)
    with pytest.raises(LimitExceeded) as raised:
        check_prompt("x" * (MAX_PROMPT_CHARACTERS + 1), None)
    assert (raised.value.limit, raised.value.path) == (MAX_PROMPT_CHARACTERS, ("prompt",))
