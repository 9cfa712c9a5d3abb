import pytest
from hypothesis import given
from hypothesis import strategies as st

from app.providers.chat import Usage
from app.services.billing.price import FREE, Price, affordable_output, cost_micros

COUNT = st.integers(0, 10**7)
RATE = st.integers(0, 10**8)


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


@given(COUNT, st.integers(0, 10**9), RATE, st.integers(1, 10**8))
def test_what_is_affordable_is_paid_for_and_a_token_more_is_not(
    tokens: int, micros: int, dear: int, dearer: int
) -> None:
    price = Price(dear, dearer, 0)

    output = affordable_output(price, tokens, micros)

    assert output is not None
    pays_for_input = cost_micros(price, Usage(tokens, 0)) <= micros
    assert pays_for_input or output == 0
    assert not pays_for_input or cost_micros(price, Usage(tokens, output)) <= micros
    assert cost_micros(price, Usage(tokens, output + 1)) > micros


def test_free_output_has_no_bound() -> None:
    assert affordable_output(FREE, 1_000, 0) is None


def test_a_negative_price_is_refused() -> None:
    with pytest.raises(ValueError, match="negative"):
        Price(1, -1, 0)
