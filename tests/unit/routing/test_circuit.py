import pytest

from app.services.routing.circuit import Calls, Circuit, CircuitState

REF = "openai/gpt-6-luna"


def test_five_failures_in_a_row_are_enough() -> None:
    calls = Calls()

    assert [calls.failed(now) for now in (1, 2, 3, 4, 5)] == [False, False, False, False, True]


def test_an_answer_begins_a_new_row() -> None:
    calls = Calls()
    for now in range(4):
        assert not calls.failed(now)
    calls.answered(4)

    assert [calls.failed(now) for now in (5, 6)] == [False, False]


def test_half_of_ten_calls_are_enough() -> None:
    calls = Calls()
    for now in range(0, 8, 2):
        calls.answered(now)
        assert not calls.failed(now + 1)
    calls.answered(8)

    assert calls.failed(9)


def test_what_is_half_a_minute_old_does_not_count() -> None:
    calls = Calls()
    for now in range(0, 8, 2):
        calls.answered(now)
        calls.failed(now + 1)
    for now in range(40, 49):
        calls.answered(now)

    assert not calls.failed(49)


def test_after_it_opened_the_count_begins_anew() -> None:
    calls = Calls()
    for now in range(5):
        calls.failed(now)

    assert not calls.failed(5)


def test_a_circuit_is_open_for_its_pause_and_then_half_open() -> None:
    circuit = Circuit.opened(REF, "overloaded", now=100.0, wish=None)

    assert [circuit.state(now) for now in (100.0, 104.9, 105.0)] == [
        CircuitState.OPEN, CircuitState.OPEN, CircuitState.HALF_OPEN,
    ]  # fmt: skip


def test_each_failed_try_doubles_the_pause_up_to_a_minute() -> None:
    circuit = Circuit.opened(REF, "overloaded", now=0.0, wish=None)
    pauses = []
    for now in range(100, 700, 100):
        circuit = circuit.again("timeout", float(now), None)
        pauses.append(circuit.until - now)

    assert pauses == [10.0, 20.0, 40.0, 60.0, 60.0, 60.0]
    assert (circuit.since, circuit.reason, circuit.times) == (0.0, "timeout", 7)


@pytest.mark.parametrize(("wish", "pause"), [(None, 5.0), (1.0, 5.0), (42.0, 42.0), (86_400.0, 300.0)])
def test_a_vendors_wish_counts_up_to_five_minutes(wish: float | None, pause: float) -> None:
    assert Circuit.opened(REF, "rate_limited", now=0.0, wish=wish).until == pause


def test_one_that_nobody_tries_is_forgotten_after_ten_minutes() -> None:
    circuit = Circuit.opened(REF, "overloaded", now=0.0, wish=None)

    assert [circuit.is_forgotten(now) for now in (604.9, 605.1)] == [False, True]
