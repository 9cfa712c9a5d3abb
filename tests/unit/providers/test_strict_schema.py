from typing import Any

import pytest

from app.providers.errors import ProviderError
from app.providers.registry import build_providers
from app.providers.strict_schema import strict_schema


def test_objects_are_closed_and_nothing_stays_optional() -> None:
    schema = {
        "$schema": "https://json-schema.org/draft/2020-12/schema",
        "type": "object",
        "properties": {
            "title": {"type": "string", "minLength": 1, "default": ""},
            "tags": {"type": "array", "items": {"type": "object", "properties": {"n": {"type": "integer"}}}},
        },
        "required": ["title"],
    }

    tag = {
        "type": "object",
        "properties": {"n": {"type": "integer"}},
        "required": ["n"],
        "additionalProperties": False,
    }
    assert strict_schema(schema) == {
        "type": "object",
        "properties": {"title": {"type": "string"}, "tags": {"type": "array", "items": tag}},
        "required": ["title", "tags"],
        "additionalProperties": False,
    }


@pytest.mark.parametrize(
    "part",
    [
        {"type": "object"},
        {"type": "object", "additionalProperties": {"type": "string"}},
        {"type": "object", "properties": {"a": {"type": "null"}}, "required": ["b"]},
        {"type": "array", "items": {"type": ["object", "null"]}},
        {"oneOf": [{"type": "string"}]},
        {"anyOf": [{"type": "string"}, {"type": "object"}]},
        {"description": "anything"},
        {"type": "string", "if": {"const": "a"}},
        True,
    ],
)
def test_what_strict_mode_cannot_say_is_left_to_validation(part: Any) -> None:
    assert strict_schema({"type": "object", "properties": {"part": part}}) is None


@pytest.mark.parametrize("root", [{"type": "array", "items": {"type": "string"}}, {"anyOf": []}, {}])
def test_the_root_has_to_be_an_object(root: dict[str, Any]) -> None:
    assert strict_schema(root) is None


async def test_only_what_is_configured_can_be_used() -> None:
    providers = build_providers(
        openai_api_key=None,
        openai_base_url="http://127.0.0.1:1/v1",
        anthropic_api_key="",
        anthropic_base_url=None,
        local_base_url="http://127.0.0.1:1/v1",
    )

    assert providers.names() == ("local",)
    with pytest.raises(ProviderError) as raised:
        providers.get("openai")
    assert (raised.value.reason, raised.value.retryable) == ("not_configured", False)
    await providers.aclose()
