import json
import re
from typing import Any

import pytest

from app.providers.strict_schema import strict_schema
from app.services.task.structured import parse_output
from app.services.template.builtin import BuiltinTemplate, load
from app.services.template.config import check_config
from app.services.template.render import check_prompt, placeholders, render
from app.services.template.schema_check import check_input, check_schema, resolve_output_schema

# A byte-level tokenizer needs one token for a byte at most, and three bytes write every character of the Basic
# Multilingual Plane. Measured with the local model, emoji and Japanese included: at most 1.3.
TOKENS_PER_CHARACTER = 3
# llama.cpp's grammar refuses or ignores larger repetitions.
MAX_GRAMMAR_REPETITIONS = 2000
TEMPLATES = {template.slug: template for template in load()}
MINIMAL: dict[str, dict[str, Any]] = {
    "data.extract": {"text": "Ann, 42", "fields": ["name", "age in years"]},
    "email.reply": {"email": "Where is my parcel?"},
    "product.description": {"name": "Lamp", "features": ["dimmable", "USB"]},
    "review.classify": {"review": "Great!"},
    "text.summarize": {"text": "A long story."},
    "text.translate": {"text": "Good morning", "targetLanguage": "fr"},
}
each_template = pytest.mark.parametrize("template", TEMPLATES.values(), ids=list(TEMPLATES))


def longest(schema: dict[str, Any]) -> Any:
    if "anyOf" in schema:
        return longest(schema["anyOf"][0])
    if "enum" in schema:
        return max(schema["enum"], key=lambda option: len(json.dumps(option)))
    if schema["type"] == "string":
        return "x" * int(schema["maxLength"])
    return {name: longest(child) for name, child in schema["properties"].items()}


def widest_input(template: BuiltinTemplate) -> dict[str, Any]:
    value = MINIMAL[template.slug]
    if template.slug != "data.extract":
        return value
    return value | {"fields": [f"{n:064}" for n in range(template.input_schema["properties"]["fields"]["maxItems"])]}


def test_the_six_are_there_by_slug() -> None:
    assert [template.slug for template in load()] == sorted(MINIMAL)


@each_template
def test_schemas_and_prompt_are_valid(template: BuiltinTemplate) -> None:
    check_schema(template.input_schema, ("inputSchema",))
    check_schema(template.output_schema, ("outputSchema",))
    check_prompt(template.prompt, template.input_schema)
    assert template.input_schema["additionalProperties"] is False
    assert template.output_schema["additionalProperties"] is False


@each_template
def test_every_input_is_described_and_used(template: BuiltinTemplate) -> None:
    properties = template.input_schema["properties"]
    assert all(len(described["description"]) > 10 for described in properties.values())
    assert placeholders(template.prompt) == set(properties)


@each_template
def test_required_inputs_alone_make_a_prompt(template: BuiltinTemplate) -> None:
    value = MINIMAL[template.slug]
    assert template.input_schema["required"] == list(value)
    check_input(template.input_schema, value)
    rendered = render(template.prompt, value)
    assert rendered.system
    assert "{{" not in rendered.system + rendered.user
    assert all(str(part) in rendered.user for part in value.values() if isinstance(part, str))


@each_template
def test_providers_can_enforce_the_output_schema(template: BuiltinTemplate) -> None:
    schema = resolve_output_schema(template.output_schema, MINIMAL[template.slug])
    assert strict_schema(schema) is not None
    encoded = json.dumps(schema)
    assert "x-bizq" not in encoded
    assert not any(f'"{keyword}"' in encoded for keyword in ("minimum", "maximum", "pattern", "format"))


@each_template
def test_the_longest_answer_fits_the_token_limit(template: BuiltinTemplate) -> None:
    schema = resolve_output_schema(template.output_schema, widest_input(template))
    answer = longest(schema)
    text = json.dumps(answer, indent=2)
    assert parse_output(text, schema) == answer
    assert len(text) * TOKENS_PER_CHARACTER <= template.config["maxOutputTokens"]


@each_template
def test_texts_end_within_what_a_grammar_can_count(template: BuiltinTemplate) -> None:
    schema = resolve_output_schema(template.output_schema, widest_input(template))
    limits = [int(digits) for digits in re.findall(r'"maxLength": (\d+)', json.dumps(schema))]
    assert max(limits, default=0) < MAX_GRAMMAR_REPETITIONS


@each_template
def test_config_is_what_routing_and_running_read(template: BuiltinTemplate) -> None:
    assert set(template.config) == {"maxOutputTokens", "temperature", "modelClass"}
    check_config(template.config)
    assert 0 <= template.config["temperature"] <= 1


def test_features_may_be_one_text() -> None:
    template = TEMPLATES["product.description"]
    value = {"name": "Lamp", "features": "dimmable, USB"}
    check_input(template.input_schema, value)
    assert "Features: dimmable, USB" in render(template.prompt, value).user


def test_optional_inputs_reach_the_prompt() -> None:
    value = {"email": "Hi", "tone": "formal", "language": "German", "senderName": "Eve", "maxWords": 50}
    user = render(TEMPLATES["email.reply"].prompt, value).user
    assert "Write our reply in German in at most 50 words. Tone: formal. Sign it as Eve." in user


def test_extracted_values_are_exactly_the_wanted_fields() -> None:
    template = TEMPLATES["data.extract"]
    schema = resolve_output_schema(template.output_schema, MINIMAL["data.extract"])
    assert schema["properties"]["values"]["required"] == ["name", "age in years"]
    answer = '{"values": {"name": "Ann", "age in years": null}}'
    assert parse_output(answer, schema) == {"values": {"name": "Ann", "age in years": None}}
