import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.providers.chat import Usage
from app.providers.errors import ProviderError
from app.providers.prices import DEFAULT_MODELS, FREE, Price, cost_micros, price_of

COUNT = st.integers(0, 10**7)
RATE = st.integers(0, 10**8)


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_every_default_model_has_its_own_price(provider: str) -> None:
    price = price_of(provider, DEFAULT_MODELS[provider])

    assert price == Price(100_000, 500_000, 10_000)
    assert price != price_of(provider, "a-model-of-tomorrow")


@pytest.mark.parametrize("provider", ["openai", "anthropic"])
def test_an_unknown_model_is_never_free_but_as_dear_as_the_dearest(provider: str) -> None:
    assert price_of(provider, "a-model-of-tomorrow") == Price(10_000_000, 50_000_000, 1_000_000)


def test_a_dated_snapshot_costs_what_its_model_costs() -> None:
    assert price_of("anthropic", "claude-haiku-4-5-20251001") == Price(1_000_000, 5_000_000, 100_000)
    assert price_of("openai", "gpt-6-luna-2026-09-22") == price_of("openai", "gpt-6-luna")


def test_local_models_are_free_and_unknown_providers_have_no_price() -> None:
    assert price_of("local", "anything") == FREE
    with pytest.raises(ProviderError) as raised:
        price_of("acme", "anything")
    assert raised.value.reason == "not_configured"


@pytest.mark.parametrize(
    ("usage", "cost"),
    [
        (Usage(0, 0), 0),
        (Usage(1, 0), 1),
        (Usage(1_000_000, 0), 100_000),
        (Usage(1_000_000, 0, cached_input_tokens=1_000_000), 10_000),
        (Usage(1_000, 200, cached_input_tokens=400), 164),
        (Usage(1_001, 200, cached_input_tokens=400), 165),
        (Usage(10, 0, cached_input_tokens=11), 1),
    ],
)
def test_costs_are_exact_and_rounded_up_once(usage: Usage, cost: int) -> None:
    assert cost_micros(Price(100_000, 500_000, 10_000), usage) == cost


@given(COUNT, COUNT, COUNT, RATE, RATE, RATE)
def test_a_cost_is_the_least_whole_number_not_below_the_exact_one(
    fresh: int, cached: int, output: int, dear: int, dearer: int, cheap: int
) -> None:
    cost = cost_micros(Price(dear, dearer, cheap), Usage(fresh + cached, output, cached))

    exact = fresh * dear + output * dearer + cached * cheap
    assert (cost - 1) * 1_000_000 < exact <= cost * 1_000_000


def test_a_negative_price_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Price(1, -1, 0)
