from typing import Any

import pytest
from pydantic import SecretStr

from app.services.routing.configured import configured_models
from app.settings import Settings

KEY = SecretStr("sk-test")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        ({}, {}),
        ({"openai_api_key": KEY}, {"openai": "gpt-6-luna"}),
        ({"openai_api_key": KEY, "openai_model": "gpt-6.1-terra"}, {"openai": "gpt-6.1-terra"}),
        ({"openai_model": "gpt-6.1-terra"}, {}),
        ({"local_base_url": "http://127.0.0.1:1/v1"}, {"local": "smollm2-135m-instruct"}),
        (
            {"anthropic_api_key": KEY, "local_base_url": "http://127.0.0.1:1/v1", "local_model": "mine"},
            {"anthropic": "claude-haiku-5-5", "local": "mine"},
        ),
        (
            {"huggingface_api_key": KEY, "replicate_api_token": KEY},
            {
                "huggingface": "meta-llama/Llama-3.3-70B-Instruct:together",
                "replicate": "meta/meta-llama-3-70b-instruct",
            },
        ),
        ({"huggingface_base_url": "http://127.0.0.1:1/v1", "replicate_model": "a/b"}, {}),
    ],
)
def test_a_provider_counts_where_there_is_access_to_it(given: dict[str, Any], expected: dict[str, str]) -> None:
    access = {
        f"{name}_{part}": None for name in ("openai", "anthropic", "huggingface") for part in ("api_key", "model")
    }
    settings = Settings(**{**access, "replicate_api_token": None, "local_base_url": None, "local_model": None, **given})

    assert configured_models(settings) == expected
