from dataclasses import replace

import pytest

from app.services.billing.price import FREE, Price
from app.services.routing.catalogue import Catalogue, Model
from app.services.routing.configured import DEFAULT_MODELS
from tests.unit.routing.seeded import seeded_catalogue

CHAT = frozenset({"chat"})


def model(name: str, *, provider: str = "openai", successor: str | None = None, enabled: bool = True) -> Model:
    return Model(provider, name, 8_192, 1_024, CHAT, FREE, successor=successor, enabled=enabled)


def names(catalogue: Catalogue, name: str) -> list[str]:
    return [found.ref for found in catalogue.find(name, DEFAULT_MODELS)]


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_every_default_model_has_its_own_price(provider: str) -> None:
    found = seeded_catalogue().of(provider, DEFAULT_MODELS[provider])

    assert found is not None
    assert (found.name, found.price) == (DEFAULT_MODELS[provider], Price(100_000, 500_000, 10_000))


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_an_unknown_model_is_never_free_but_as_dear_as_the_dearest(provider: str) -> None:
    catalogue = seeded_catalogue()

    found = catalogue.of(provider, "a-model-of-tomorrow")

    assert found is not None
    assert found.ref == f"{provider}/a-model-of-tomorrow"
    dearest = max(
        (each.price for each in catalogue.models if each.provider == provider), key=lambda price: price.output
    )
    assert found.price == dearest


def test_a_dated_snapshot_is_asked_for_by_its_name_and_costs_what_its_model_costs() -> None:
    catalogue = seeded_catalogue()

    snapshot, known = catalogue.of("openai", "gpt-6-luna-2026-09-22"), catalogue.of("openai", "gpt-6-luna")

    assert known is not None
    assert snapshot == replace(known, name="gpt-6-luna-2026-09-22")


def test_local_models_are_free_and_unknown_providers_have_none() -> None:
    catalogue = seeded_catalogue()

    local = catalogue.of("local", "anything")
    assert local is not None
    assert local.price == FREE
    assert catalogue.of("acme", "anything") is None


def test_a_name_may_be_of_one_provider_or_an_alias_of_several_the_cheapest_first() -> None:
    catalogue = seeded_catalogue()

    assert names(catalogue, "openai/gpt-6-luna") == ["openai/gpt-6-luna"]
    assert names(catalogue, "claude-opus-5-5") == ["anthropic/claude-opus-5-5"]
    assert names(catalogue, "gpt-4-turbo") == ["openai/gpt-6.2-sol"]
    assert names(catalogue, "mistral-7b") == [
        "local/smollm2-135m-instruct",
        "huggingface/meta-llama/Llama-3.1-8B-Instruct:novita",
        "replicate/meta/meta-llama-3-8b-instruct",
    ]
    assert names(catalogue, "no-such-model") == []


def test_a_disabled_model_is_replaced_by_its_successor_and_its_by_the_next() -> None:
    first = model("one", successor="two", enabled=False)
    second = model("two", successor="three", enabled=False)

    assert names(Catalogue([first, second, model("three")]), "one") == ["openai/three"]
    assert names(Catalogue([first, second]), "one") == []
    assert names(Catalogue([model("one", enabled=False)]), "openai/one") == []


def test_successors_that_go_round_lead_nowhere() -> None:
    catalogue = Catalogue([model("one", successor="two", enabled=False), model("two", successor="one", enabled=False)])

    assert names(catalogue, "one") == []
