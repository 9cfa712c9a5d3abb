"""The rows of Hugging Face and Replicate, as a new installation has them."""

import pytest

from app.services.billing.price import Price
from app.services.routing.configured import DEFAULT_MODELS
from tests.unit.routing.seeded import seeded_catalogue

CATALOGUE = seeded_catalogue()
VENDORS = ("huggingface", "replicate")


@pytest.mark.parametrize("alias", ["llama-3-70b", "codellama-34b", "mistral-7b"])
def test_the_stack_documents_open_models_are_served_by_three(alias: str) -> None:
    found = CATALOGUE.find(alias, DEFAULT_MODELS)

    assert {model.provider for model in found} == {"huggingface", "replicate", "local"}
    assert {"chat", "json_schema"} <= frozenset.intersection(*(model.capabilities for model in found))


@pytest.mark.parametrize("vendor", VENDORS)
def test_the_default_model_has_a_row_of_its_own(vendor: str) -> None:
    model = CATALOGUE.of(vendor, DEFAULT_MODELS[vendor])

    assert model is not None
    assert "llama-3-70b" in model.aliases


@pytest.mark.parametrize("vendor", VENDORS)
def test_a_model_without_a_row_is_charged_like_the_dearest(vendor: str) -> None:
    any_model = CATALOGUE.of(vendor, "somebody/else")

    assert any_model is not None
    assert any_model.name == "somebody/else"
    for model in CATALOGUE.models:
        if model.provider == vendor:
            assert model.price.input <= any_model.price.input
            assert model.price.output <= any_model.price.output


def test_a_partner_has_its_own_price() -> None:
    pinned = CATALOGUE.of("huggingface", "meta-llama/Llama-3.3-70B-Instruct:together")
    unpinned = CATALOGUE.of("huggingface", "meta-llama/Llama-3.3-70B-Instruct")

    assert pinned is not None
    assert unpinned is not None
    assert pinned.price == Price(880_000, 880_000, 880_000)
    assert unpinned.price == Price(3_000_000, 7_000_000, 3_000_000)
